//! What the agent goes by, checked.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};

use carnet_jose::Algorithm;
use carnet_renew::Backoff;
use carnet_spiffe::TrustDomain;

use crate::AttestationLimits;

/// What the agent goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose agent it is.
    pub trust_domain: TrustDomain,
    /// Where workloads connect.
    pub socket: SocketSettings,
    /// The folder in which the agent keeps its own SVID and key, readable for nobody else. Without one it attests again
    /// at every start.
    pub state_directory: Option<PathBuf>,
    /// What attestation may take.
    pub attestation: AttestationLimits,
    /// Keys of X509-SVIDs, the agent's own too: ES256, ES384 or RS256.
    pub key_algorithm: Algorithm,
    /// Most X509-SVIDs that are kept ready although nobody asks for them. Those that somebody asks for come on top.
    pub prefetched: usize,
    /// Most JWT-SVIDs that are kept.
    pub jwt_cache: usize,
    /// Longest time that the authority has for a JWT-SVID while a workload waits.
    pub jwt_patience: Duration,
    /// The same when an older one is at hand.
    pub jwt_patience_with_another: Duration,
    /// How long a call waits for what is on its way: the agent's first state after the start, the X509-SVIDs of an entry that
    /// has just come. Short, because clients repeat a call that fails.
    pub patience: Duration,
    /// How long the authority holds a question for changes that has none, in seconds.
    pub updates_wait: u32,
    /// Between attempts while the authority is away.
    pub backoff: Backoff,
    /// Whether a process without an identity gets the bundle of the own trust domain.
    pub allow_unauthenticated_verifiers: bool,
    /// Claims of foreign JWT-SVIDs that `ValidateJWTSVID` passes on, besides `sub`, `aud` and `exp`.
    pub allowed_foreign_claims: BTreeSet<String>,
    /// Names of Envoy's secrets.
    pub sds: SdsSettings,
    /// Where probes and Prometheus ask, plain; nowhere unless given.
    pub diagnostics: Option<SocketAddr>,
}

/// Where workloads connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// The path of the Unix socket.
    pub path: PathBuf,
    /// Who may connect: whoever may write (unix(7)).
    pub mode: u32,
}

/// Names of Envoy's secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdsSettings {
    /// The first X509-SVID of the caller.
    pub default_svid_name: String,
    /// The bundle of the own trust domain.
    pub default_bundle_name: String,
    /// All bundles in one.
    pub default_all_bundles_name: String,
    /// Gives certificates of authorities without Envoy's SPIFFE validator.
    pub disable_spiffe_cert_validation: bool,
}

impl Default for SdsSettings {
    /// The names that SPIRE's agent has.
    fn default() -> Self {
        Self {
            default_svid_name: "default".to_owned(),
            default_bundle_name: "ROOTCA".to_owned(),
            default_all_bundles_name: "ALL".to_owned(),
            disable_spiffe_cert_validation: false,
        }
    }
}

impl Settings {
    /// The usual settings of an agent of this domain with this socket.
    pub fn new(trust_domain: TrustDomain, socket: impl Into<PathBuf>) -> Self {
        Self {
            trust_domain,
            socket: SocketSettings { path: socket.into(), mode: 0o777 },
            state_directory: None,
            attestation: AttestationLimits::default(),
            key_algorithm: Algorithm::Es256,
            prefetched: 1000,
            jwt_cache: 1000,
            jwt_patience: Duration::from_secs(30),
            jwt_patience_with_another: Duration::from_secs(5),
            patience: Duration::from_secs(3),
            updates_wait: 30,
            backoff: Backoff::default(),
            allow_unauthenticated_verifiers: false,
            allowed_foreign_claims: BTreeSet::new(),
            sds: SdsSettings::default(),
            diagnostics: None,
        }
    }
}
