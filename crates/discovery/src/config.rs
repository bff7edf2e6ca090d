//! The section `[discovery]`.

mod check;
mod plan;

use std::{collections::BTreeMap, path::PathBuf};

use carnet_core::{Mistake, SectionConfig};
use carnet_ops::TelemetrySection;
use carnet_spiffe::TrustDomain;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

pub use plan::{DiscoveryPlan, HealthPlan, ListenPlan};

use crate::{
    EndpointProfile,
    acme::{ChallengeType, ExternalAccount},
};

/// The OIDC discovery documents of an existing SPIRE or another SPIFFE installation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryConfig {
    /// `issuer` of the discovery document: the `iss` of the tokens, byte for byte (in SPIRE, `jwt_issuer` of the server). Without it
    /// the issuer is made from the host that the client named, which must be one of `domains`.
    #[serde(default)]
    pub issuer: Option<String>,
    /// `jwks_uri` of the discovery document, where the key set is elsewhere. By default the issuer and `/keys`.
    #[serde(default)]
    pub jwks_uri: Option<String>,
    /// What stands in front of both paths. By default `/`.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// Host names that the document is given out for, without port; no wildcards. Internationalised names are turned into their
    /// ASCII form. May be empty where `issuer` is set.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Addresses and networks of proxies whose `X-Forwarded-Host` and `X-Forwarded-Proto` are believed; `unix` for whoever
    /// connects to the Unix socket. By default nobody's.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// Lets the URLs of the document be `http` where the client came without TLS. For tests: no cloud takes them.
    #[serde(default)]
    pub allow_insecure_scheme: bool,
    /// Whether every key says `use: sig`. By default `true`: nobody refuses it, and Kafka with Strimzi wants it.
    #[serde(default)]
    pub key_use: Option<bool>,
    /// How long readers may keep the documents, for instance `5m`, which is the default. A new key must be published for longer than
    /// that before it signs.
    #[serde(default)]
    pub max_age: Option<String>,
    /// Most keys that are published. By default 100, which is what AWS and Entra read.
    #[serde(default)]
    pub max_keys: Option<u16>,
    /// More members of the discovery document.
    #[serde(default)]
    pub metadata: BTreeMap<String, Value>,
    /// Where the keys come from.
    pub source: SourceSection,
    /// Where the documents are served.
    pub listen: ListenSection,
    /// Serves the SPIFFE bundle as well, on the same listener.
    #[serde(default)]
    pub bundle: Option<BundleSection>,
    /// Answers questions about health on a listener of their own, by SPIRE's paths.
    #[serde(default)]
    pub health: Option<HealthSection>,
    /// `/livez`, `/readyz` and `/metrics`, plain, for instance `127.0.0.1:9090`. Nowhere unless given.
    #[serde(default)]
    pub diagnostics: Option<String>,
    /// Where traces go. Nowhere when absent.
    #[serde(default)]
    pub telemetry: Option<TelemetrySection>,
    /// Logs every request.
    #[serde(default)]
    pub log_requests: bool,
}

/// Where the keys come from: one of these.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SourceSection {
    /// The SPIFFE Workload API. This process needs a registration entry.
    WorkloadApi(WorkloadApiSection),
    /// The local API of a SPIRE server.
    ServerApi(ServerApiSection),
    /// A SPIFFE bundle document in a file.
    File(FileSection),
    /// A SPIFFE bundle endpoint.
    Url(UrlSection),
}

/// The Workload API as a source.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadApiSection {
    /// Where it listens, `unix:///path`. By default what `SPIFFE_ENDPOINT_SOCKET` says.
    #[serde(default)]
    pub address: Option<String>,
    /// Whose keys are published.
    pub trust_domain: TrustDomain,
    /// How often it is asked, for instance `10s`, which is the default.
    #[serde(default)]
    pub poll: Option<String>,
}

/// The API of a SPIRE server as a source.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerApiSection {
    /// Where it listens, `unix:///path`.
    pub address: String,
    /// How often it is asked, for instance `10s`, which is the default.
    #[serde(default)]
    pub poll: Option<String>,
}

/// A file as a source.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSection {
    /// The file.
    pub path: PathBuf,
    /// Whose bundle it is: the document does not tell.
    pub trust_domain: TrustDomain,
    /// How often it is read, for instance `10s`, which is the default.
    #[serde(default)]
    pub poll: Option<String>,
}

/// A bundle endpoint as a source.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UrlSection {
    /// The bundle endpoint, `https`.
    pub url: String,
    /// Whose bundle it is.
    pub trust_domain: TrustDomain,
    /// How it proves who it is: `{ type = "https_web" }` (default), or `{ type = "https_spiffe", endpoint_spiffe_id = "spiffe://…" }`.
    #[serde(default)]
    pub profile: Option<EndpointProfile>,
    /// A file with the bundle that is believed at first. Mandatory for `https_spiffe`.
    #[serde(default)]
    pub bootstrap: Option<PathBuf>,
    /// How often it is asked, for instance `1m`, which is the default.
    #[serde(default)]
    pub poll: Option<String>,
}

/// Where the documents are served: one of these.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ListenSection {
    /// TLS with a certificate from files that somebody else replaces.
    Tls(TlsSection),
    /// TLS with a certificate that is had by ACME.
    Acme(AcmeSection),
    /// Plain HTTP behind a proxy that speaks TLS, or for tests.
    Plain(PlainSection),
    /// Plain HTTP on a Unix socket.
    Socket(SocketSection),
}

/// A listener with TLS.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// Where, for instance `:443`, which is the default, or `127.0.0.1:8443`.
    #[serde(default)]
    pub address: Option<String>,
    /// PEM certificates, leaf first.
    pub certificate: PathBuf,
    /// The leaf's key, PEM, not encrypted.
    pub private_key: PathBuf,
    /// How often the files are looked at, for instance `1m`, which is the default. Open connections are not touched.
    #[serde(default)]
    pub reload: Option<String>,
}

/// A listener with TLS whose certificate is had by ACME (RFC 8555).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcmeSection {
    /// Where TLS is served, for instance `:443`, which is the default.
    #[serde(default)]
    pub address: Option<String>,
    /// How the names are proved: `http-01`, which is the default, or `tls-alpn-01`.
    #[serde(default)]
    pub challenge_type: Option<ChallengeType>,
    /// Where the authority looks for the proof with `http-01`: it comes to port 80 of each of `domains`. By default `:80`.
    #[serde(default)]
    pub challenge_address: Option<String>,
    /// The account at the authority that the ACME account is bound to, where the authority wants one.
    #[serde(default)]
    pub external_account: Option<ExternalAccount>,
    /// The directory of the authority. By default that of Let's Encrypt.
    #[serde(default)]
    pub directory_url: Option<String>,
    /// Whom the authority writes to.
    pub email: String,
    /// Whether you agree to the authority's terms of service. Must be `true`.
    pub tos_accepted: bool,
    /// Where account and certificate are kept, each file for its owner only. By default `.acme-cache`.
    #[serde(default)]
    pub cache_dir: Option<PathBuf>,
    /// PEM certificates that the authority's own server is trusted by, in place of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// A plain listener.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlainSection {
    /// Where, for instance `127.0.0.1:8080`.
    pub address: String,
}

/// A Unix socket.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SocketSection {
    /// The path of the socket.
    pub path: PathBuf,
    /// Who may connect, as an octal mode. By default `0777`, everybody: the documents are public.
    #[serde(default)]
    pub mode: Option<String>,
}

/// The SPIFFE bundle endpoint.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleSection {
    /// Its path. By default `/`.
    #[serde(default)]
    pub path: Option<String>,
    /// How often peers should ask, where the bundle does not say, for instance `5m`, which is the default.
    #[serde(default)]
    pub refresh_hint: Option<String>,
}

/// Questions about health.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthSection {
    /// Where, for instance `:8008`, which is the default.
    #[serde(default)]
    pub address: Option<String>,
    /// Answers 200 while the documents are fresh. By default `/ready`.
    #[serde(default)]
    pub ready_path: Option<String>,
    /// Answers 200 also while the first documents are awaited. By default `/live`.
    #[serde(default)]
    pub live_path: Option<String>,
}

impl SectionConfig for DiscoveryConfig {
    const NAME: &'static str = "discovery";
    const ABOUT: &'static str = "the OIDC discovery documents of an existing SPIFFE installation";
    type Checked = DiscoveryPlan;

    fn check(self) -> Result<DiscoveryPlan, Vec<Mistake>> {
        check::check(self)
    }
}
