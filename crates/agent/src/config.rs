//! The section `[agent]`.

mod check;

use std::path::PathBuf;

use carnet_attest::Evidence;
use carnet_core::{Mistake, SectionConfig};
use carnet_ops::TelemetrySection;
use schemars::JsonSchema;
use serde::Deserialize;

pub use check::AgentPlan;

/// How this node gets an identity, and gives its workloads theirs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The trust domain, for instance `example.org`.
    pub trust_domain: String,
    /// Where the authority's listener for nodes is, for instance `https://authority.example.org:8444`.
    pub authority: String,
    /// How this node proves what it is, for instance `attest = { k8s = { cluster = "production" } }`.
    pub attest: Evidence,
    /// A file with the trust domain's bundle (SPIFFE JSON), brought to this node by other means. One of `bootstrap_bundle`,
    /// `bootstrap_url` and `insecure_bootstrap` must be given.
    #[serde(default)]
    pub bootstrap_bundle: Option<PathBuf>,
    /// Where the bundle can be fetched, together with `bootstrap_sha256`.
    #[serde(default)]
    pub bootstrap_url: Option<String>,
    /// The SHA-256 that what is fetched must have, in hexadecimal.
    #[serde(default)]
    pub bootstrap_sha256: Option<String>,
    /// Whether to believe whoever answers at the authority's address first. For trying things out only.
    #[serde(default)]
    pub insecure_bootstrap: bool,
    /// The Unix socket where workloads connect. By default `/run/carnet/agent/api.sock`; its folder must exist. There
    /// is no endpoint over TCP, because nobody could know who calls there.
    #[serde(default)]
    pub socket: Option<String>,
    /// Who may connect, as an octal mode. By default `0777`, everybody: who gets what is decided by who calls.
    #[serde(default)]
    pub socket_mode: Option<String>,
    /// The folder where the agent keeps its own SVID and key, for itself only. By default `/var/lib/carnet/agent`.
    #[serde(default)]
    pub state_directory: Option<PathBuf>,
    /// Keys of X509-SVIDs: `ES256` (the default), `ES384` or `RS256` (2048 bits).
    #[serde(default)]
    pub key: Option<String>,
    /// How long a workload may take to be recognised, for instance `20s`, which is the default.
    #[serde(default)]
    pub attestation_timeout: Option<String>,
    /// Most workloads that are being recognised at once. By default 64.
    #[serde(default)]
    pub attestations_at_once: Option<usize>,
    /// Most X509-SVIDs that are kept ready although nobody asks for them. By default 1000.
    #[serde(default)]
    pub x509_cache: Option<usize>,
    /// Most JWT-SVIDs that are kept. By default 1000.
    #[serde(default)]
    pub jwt_cache: Option<usize>,
    /// Whether processes without an identity get the bundles of the own trust domain. By default not.
    #[serde(default)]
    pub allow_unauthenticated_verifiers: bool,
    /// Claims of other trust domains' tokens that `ValidateJWTSVID` passes on, besides `sub`, `aud` and `exp`.
    #[serde(default)]
    pub allowed_foreign_jwt_claims: Vec<String>,
    /// Facts about users and executables.
    #[serde(default)]
    pub unix: UnixSection,
    /// Whether services of systemd are recognised. By default they are.
    #[serde(default)]
    pub systemd: Option<bool>,
    /// Whether containers are recognised by their control groups. By default they are.
    #[serde(default)]
    pub container: Option<bool>,
    /// Facts about pods, from the kubelet. Not asked for when absent.
    #[serde(default)]
    pub kubernetes: Option<KubernetesSection>,
    /// Names of secrets for Envoy.
    #[serde(default)]
    pub sds: SdsSection,
    /// Health and metrics, plain, for instance `127.0.0.1:9090`. Nowhere unless given.
    #[serde(default)]
    pub diagnostics: Option<String>,
    /// Where traces go. Nowhere when absent.
    #[serde(default)]
    pub telemetry: Option<TelemetrySection>,
}

/// Facts about users and executables.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnixSection {
    /// Whether the path of the executable is a selector. By default it is; with `sha256` always.
    #[serde(default)]
    pub path: Option<bool>,
    /// Whether the SHA-256 of the executable is a selector. By default not.
    #[serde(default)]
    pub sha256: bool,
    /// Largest executable that is digested, in bytes. By default 64 MiB.
    #[serde(default)]
    pub size_limit: Option<u64>,
}

/// Facts about pods.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubernetesSection {
    /// The kubelet's list of pods. By default `https://127.0.0.1:10250/pods`.
    #[serde(default)]
    pub kubelet: Option<String>,
    /// The token of the agent's service account. By default
    /// `/var/run/secrets/kubernetes.io/serviceaccount/token`; it is not used when `kubelet` begins with `http://`.
    #[serde(default)]
    pub token: Option<PathBuf>,
    /// PEM certificates that the kubelet's is checked with. By default `/var/run/secrets/kubernetes.io/serviceaccount/ca.crt`.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Whether the kubelet's certificate is not checked. Then whoever answers in its place says which pod is which.
    #[serde(default)]
    pub skip_verification: bool,
    /// How long a container that the kubelet does not list yet is waited for. By default `15s`.
    #[serde(default)]
    pub wait: Option<String>,
}

/// Names of secrets for Envoy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SdsSection {
    /// The workload's first X509-SVID. By default `default`.
    #[serde(default)]
    pub default_svid_name: Option<String>,
    /// The bundle of the own trust domain. By default `ROOTCA`.
    #[serde(default)]
    pub default_bundle_name: Option<String>,
    /// All bundles in one. By default `ALL`.
    #[serde(default)]
    pub default_all_bundles_name: Option<String>,
    /// Whether Envoy gets certificates without its SPIFFE validator, which knows trust domains. By default with it.
    #[serde(default)]
    pub disable_spiffe_cert_validation: bool,
}

impl SectionConfig for AgentConfig {
    const NAME: &'static str = "agent";
    const ABOUT: &'static str = "The agent of a node: `carnet agent`.";
    type Checked = AgentPlan;

    fn check(self) -> Result<AgentPlan, Vec<Mistake>> {
        check::check(self)
    }
}
