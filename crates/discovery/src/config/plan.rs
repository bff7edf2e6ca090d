//! The section once its meaning was checked.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use carnet_ops::TelemetrySettings;

use crate::{BundleSettings, CertificatePlan, Settings, Source};

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
    /// Where probes and Prometheus ask, plain; nowhere unless given.
    pub diagnostics: Option<SocketAddr>,
    /// Where traces go; nowhere unless given.
    pub telemetry: Option<TelemetrySettings>,
    /// Whether every request is logged.
    pub log_requests: bool,
}

/// Where the documents are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenPlan {
    /// TLS at this address with this certificate.
    Tls(SocketAddr, CertificatePlan),
    /// Plain HTTP.
    Plain(SocketAddr),
    /// Plain HTTP on a Unix socket with this mode.
    Socket(PathBuf, u32),
}

/// Questions about health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthPlan {
    /// Where.
    pub address: SocketAddr,
    /// Path of readiness.
    pub ready_path: String,
    /// Path of liveness.
    pub live_path: String,
}
