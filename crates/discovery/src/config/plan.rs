//! The section once its meaning was checked.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{BundleSettings, Settings, Source, acme::AcmeSettings};

/// What `carnet discovery` does.
#[derive(Clone, Debug)]
pub struct DiscoveryPlan {
    /// What the documents say.
    pub settings: Settings,
    /// Where the keys come from. The address of the Workload API is empty where the environment says it.
    pub source: Source,
    /// The file with the bundle that is believed at first, for a URL. It is read when the service starts.
    pub bootstrap: Option<PathBuf>,
    /// How often the source is read.
    pub poll: Duration,
    /// Where the documents are served.
    pub listen: ListenPlan,
    /// The bundle endpoint on the same listener.
    pub bundle: Option<BundleSettings>,
    /// Questions about health.
    pub health: Option<HealthPlan>,
    /// Whether every request is logged.
    pub log_requests: bool,
}

/// Where the documents are served.
#[derive(Clone, Debug)]
pub enum ListenPlan {
    /// TLS from files.
    Tls(TlsPlan),
    /// TLS by ACME.
    Acme(AcmePlan),
    /// Plain HTTP.
    Plain(SocketAddr),
    /// Plain HTTP on a Unix socket with this mode.
    Socket(PathBuf, u32),
}

/// TLS from files.
#[derive(Clone, Debug)]
pub struct TlsPlan {
    /// Where.
    pub address: SocketAddr,
    /// PEM certificates, leaf first.
    pub certificate: PathBuf,
    /// The leaf's key, PEM.
    pub private_key: PathBuf,
    /// How often the files are looked at.
    pub reload: Duration,
}

/// TLS by ACME.
#[derive(Clone, Debug)]
pub struct AcmePlan {
    /// Where TLS is served.
    pub address: SocketAddr,
    /// Where proofs are served.
    pub challenge_address: SocketAddr,
    /// The authority and what is wanted of it.
    pub settings: AcmeSettings,
}

/// Questions about health.
#[derive(Clone, Debug)]
pub struct HealthPlan {
    /// Where.
    pub address: SocketAddr,
    /// Path of readiness.
    pub ready_path: String,
    /// Path of liveness.
    pub live_path: String,
}
