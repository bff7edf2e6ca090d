//! What the section means.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use carnet_core::{Context, HttpSend, Mistake, Result};
use carnet_jose::Algorithm;
use carnet_net::{Client, ClientTls};
use carnet_ops::{TelemetrySection, TelemetrySettings};
use carnet_spiffe::TrustDomain;
use jiff::SignedDuration;
use url::Url;

use super::{AgentConfig, KubernetesSection, SdsSection, UnixSection};
use crate::{
    AgentParts, AttestationLimits, Bootstrap, Container, Executables, HttpsSettings, HttpsUpstream, Kubelet,
    Kubernetes, Names, Processes, SdsSettings, Settings, SocketSettings, Systemd, Unix, Upstream, WorkloadAttestor,
};

const SOCKET: &str = "/run/carnet/agent/api.sock";
const STATE_DIRECTORY: &str = "/var/lib/carnet/agent";
const KUBELET: &str = "https://127.0.0.1:10250/pods";
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
const SIZE_LIMIT: u64 = 64 << 20;
/// Between two questions to the kubelet.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest time that may be configured where a workload waits.
const LONGEST: Duration = Duration::from_mins(5);

/// The section, checked.
#[derive(Clone, Debug)]
pub struct AgentPlan {
    /// What the agent goes by.
    pub settings: Settings,
    /// Where traces go; nowhere unless given.
    pub telemetry: Option<TelemetrySettings>,
    upstream: Remote,
    unix: Executables,
    systemd: bool,
    container: bool,
    kubernetes: Option<(Kubelet, bool)>,
}

#[derive(Clone, Debug)]
struct Remote {
    address: Url,
    evidence: carnet_attest::Evidence,
    bootstrap: Bootstrap,
}

impl AgentPlan {
    /// What [`crate::Agent::start`] takes, for this machine. `net` says which proxies there are.
    ///
    /// # Errors
    /// See [`HttpsUpstream::new`].
    pub fn parts(&self, context: Context, net: &carnet_net::Settings) -> Result<AgentParts> {
        let Remote { address, evidence, bootstrap } = self.upstream.clone();
        let trust_domain = self.settings.trust_domain.clone();
        let https = HttpsSettings { address, trust_domain, evidence, bootstrap, net: net.clone() };
        let upstream: Arc<dyn Upstream> = Arc::new(HttpsUpstream::new(https, context.clone())?);
        Ok(AgentParts {
            upstream,
            attestors: self.attestors(&context, net),
            processes: Processes::of_this_machine(),
            context,
            settings: self.settings.clone(),
        })
    }

    /// The workload attestors that are enabled.
    pub fn attestors(&self, context: &Context, net: &carnet_net::Settings) -> Vec<Arc<dyn WorkloadAttestor>> {
        let mut attestors: Vec<Arc<dyn WorkloadAttestor>> =
            vec![Arc::new(Unix::new(Names::of_this_machine(), self.unix))];
        if self.systemd {
            attestors.push(Arc::new(Systemd));
        }
        if self.container {
            attestors.push(Arc::new(Container));
        }
        if let Some((kubelet, checked)) = &self.kubernetes {
            let http: Arc<dyn HttpSend> = if *checked {
                Arc::clone(&context.http)
            } else {
                let anyone = ClientTls::new().verifier(Arc::new(|_| Ok(())));
                Arc::new(Client::new(net.clone()).with_tls(anyone))
            };
            attestors.push(Arc::new(Kubernetes::new(kubelet.clone(), http, Arc::clone(&context.files))));
        }
        attestors
    }
}

pub(super) fn check(config: AgentConfig) -> Result<AgentPlan, Vec<Mistake>> {
    let mut wrong = Vec::new();
    let trust_domain = config.trust_domain.parse::<TrustDomain>();
    let trust_domain = trust_domain.map_err(|error| wrong.push(Mistake::new("trust_domain", error.to_string()))).ok();
    let address = url("authority", &config.authority, &["https"], &mut wrong);
    let bootstrap = bootstrap(&config, &mut wrong);
    let socket = socket(config.socket.as_deref().unwrap_or(SOCKET), config.socket_mode.as_deref(), &mut wrong);
    let key_algorithm = key(config.key.as_deref(), &mut wrong);
    let usual = AttestationLimits::default();
    let attestation = AttestationLimits {
        deadline: time("attestation_timeout", config.attestation_timeout.as_deref(), usual.deadline, &mut wrong),
        at_once: at_least_one("attestations_at_once", config.attestations_at_once, usual.at_once, &mut wrong),
    };
    let jwt_cache = at_least_one("jwt_cache", config.jwt_cache, 1000, &mut wrong);
    let kubernetes = config.kubernetes.map(|section| kubernetes(section, &mut wrong));
    let sds = sds(config.sds, &mut wrong);
    let telemetry = config.telemetry.and_then(|section| telemetry(&section, &mut wrong));
    let diagnostics = config.diagnostics.as_deref().and_then(|text| listener("diagnostics", text, &mut wrong));
    if let (Some(trust_domain), Some(address), Some(bootstrap), true) =
        (trust_domain, address, bootstrap, wrong.is_empty())
    {
        let settings = Settings {
            state_directory: Some(config.state_directory.unwrap_or_else(|| PathBuf::from(STATE_DIRECTORY))),
            attestation,
            key_algorithm,
            prefetched: config.x509_cache.unwrap_or(1000),
            jwt_cache,
            allow_unauthenticated_verifiers: config.allow_unauthenticated_verifiers,
            allowed_foreign_claims: config.allowed_foreign_jwt_claims.into_iter().collect(),
            sds,
            diagnostics,
            ..Settings::new(trust_domain, socket.path.clone())
        };
        return Ok(AgentPlan {
            settings: Settings { socket, ..settings },
            telemetry,
            upstream: Remote { address, evidence: config.attest, bootstrap },
            unix: executables(&config.unix),
            systemd: config.systemd.unwrap_or(true),
            container: config.container.unwrap_or(true),
            kubernetes: kubernetes.flatten(),
        });
    }
    Err(wrong)
}

fn bootstrap(config: &AgentConfig, wrong: &mut Vec<Mistake>) -> Option<Bootstrap> {
    let given = [config.bootstrap_bundle.is_some(), config.bootstrap_url.is_some(), config.insecure_bootstrap];
    if given.into_iter().filter(|given| *given).count() != 1 {
        let message = "exactly one of bootstrap_bundle, bootstrap_url and insecure_bootstrap must be given";
        let hint = "the agent must know by what to believe the authority: bring its bundle to this node as a file";
        wrong.push(Mistake::new("bootstrap_bundle", message).hint(hint));
        return None;
    }
    if config.bootstrap_sha256.is_some() != config.bootstrap_url.is_some() {
        let message = "bootstrap_url and bootstrap_sha256 belong together";
        wrong
            .push(Mistake::new("bootstrap_sha256", message).hint("sha256sum of the bundle, taken where it is trusted"));
        return None;
    }
    if let (Some(address), Some(digest)) = (&config.bootstrap_url, &config.bootstrap_sha256) {
        let address = url("bootstrap_url", address, &["https", "http"], wrong);
        let sha256 = digest_of(digest);
        if sha256.is_none() {
            wrong.push(Mistake::new("bootstrap_sha256", "is not 64 hexadecimal digits"));
        }
        return Some(Bootstrap::Pinned { url: address?, sha256: sha256? });
    }
    Some(config.bootstrap_bundle.clone().map_or(Bootstrap::Insecure, Bootstrap::File))
}

fn digest_of(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}

fn socket(path: &str, mode: Option<&str>, wrong: &mut Vec<Mistake>) -> SocketSettings {
    let path = path.strip_prefix("unix://").unwrap_or(path);
    if path.contains("://") {
        let mistake = Mistake::new("socket", "is not a Unix socket");
        wrong.push(mistake.hint("give a path: over TCP the agent could not know which process calls"));
    } else if !path.starts_with('/') {
        wrong.push(Mistake::new("socket", "is not an absolute path"));
    }
    let mode = mode.unwrap_or("0777");
    let parsed = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o777);
    if parsed.is_none() {
        wrong.push(Mistake::new("socket_mode", "is not an octal mode").hint("for instance 0770"));
    }
    SocketSettings { path: PathBuf::from(path), mode: parsed.unwrap_or_default() }
}

fn key(name: Option<&str>, wrong: &mut Vec<Mistake>) -> Algorithm {
    match name {
        None | Some("ES256") => Algorithm::Es256,
        Some("ES384") => Algorithm::Es384,
        Some("RS256") => Algorithm::Rs256,
        Some(_) => {
            wrong.push(Mistake::new("key", "is none of ES256, ES384 and RS256"));
            Algorithm::Es256
        }
    }
}

fn executables(section: &UnixSection) -> Executables {
    match (section.sha256, section.path) {
        (true, _) => Executables::Digest(section.size_limit.unwrap_or(SIZE_LIMIT)),
        (false, Some(false)) => Executables::Ignored,
        (false, _) => Executables::Path,
    }
}

/// The kubelet, and whether its certificate is checked.
fn kubernetes(section: KubernetesSection, wrong: &mut Vec<Mistake>) -> Option<(Kubelet, bool)> {
    let field = "kubernetes.kubelet";
    let pods = url(field, section.kubelet.as_deref().unwrap_or(KUBELET), &["https", "http"], wrong);
    let patience = time("kubernetes.wait", section.wait.as_deref(), Duration::from_secs(15), wrong);
    if section.skip_verification && section.ca.is_some() {
        let mistake = Mistake::new("kubernetes.skip_verification", "is set, and a CA is named");
        wrong.push(mistake.hint("leave one of them out"));
    }
    let pods = pods?;
    let secure = pods.scheme() == "https";
    let token = secure.then(|| section.token.unwrap_or_else(|| PathBuf::from(TOKEN)));
    let checked = !section.skip_verification;
    let ca = (secure && checked).then(|| section.ca.unwrap_or_else(|| PathBuf::from(CA)));
    Some((Kubelet { pods, token, ca, patience, pause: PAUSE }, checked))
}

fn sds(section: SdsSection, wrong: &mut Vec<Mistake>) -> SdsSettings {
    let usual = SdsSettings::default();
    let settings = SdsSettings {
        default_svid_name: section.default_svid_name.unwrap_or(usual.default_svid_name),
        default_bundle_name: section.default_bundle_name.unwrap_or(usual.default_bundle_name),
        default_all_bundles_name: section.default_all_bundles_name.unwrap_or(usual.default_all_bundles_name),
        disable_spiffe_cert_validation: section.disable_spiffe_cert_validation,
    };
    let names = [&settings.default_svid_name, &settings.default_bundle_name, &settings.default_all_bundles_name];
    let [svid, bundle, all] = names;
    if names.iter().any(|name| name.is_empty()) || svid == bundle || bundle == all || all == svid {
        wrong.push(Mistake::new("sds", "the three names must differ, and none may be empty"));
    }
    settings
}

fn telemetry(section: &TelemetrySection, wrong: &mut Vec<Mistake>) -> Option<TelemetrySettings> {
    let below = |mistake: Mistake| Mistake { field: format!("telemetry.{}", mistake.field), ..mistake };
    section.check("carnet-agent").map_err(|mistakes| wrong.extend(mistakes.into_iter().map(below))).ok()
}

fn at_least_one(field: &str, given: Option<usize>, usual: usize, wrong: &mut Vec<Mistake>) -> usize {
    if given == Some(0) {
        wrong.push(Mistake::new(field, "is 0").hint("leave it out for the usual number"));
    }
    given.unwrap_or(usual)
}

fn time(field: &str, given: Option<&str>, usual: Duration, wrong: &mut Vec<Mistake>) -> Duration {
    let Some(text) = given else { return usual };
    let parsed = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    parsed.filter(|time| (Duration::from_secs(1)..=LONGEST).contains(time)).unwrap_or_else(|| {
        let hint = format!("for instance 20s; from 1s to {}s", LONGEST.as_secs());
        wrong.push(Mistake::new(field, "is no length of time, or out of range").hint(hint));
        usual
    })
}

fn listener(field: &str, text: &str, wrong: &mut Vec<Mistake>) -> Option<SocketAddr> {
    let parsed = text.parse().ok();
    if parsed.is_none() {
        wrong.push(Mistake::new(field, "is not an address with a port").hint("for instance 127.0.0.1:9090"));
    }
    parsed
}

fn url(field: &str, text: &str, schemes: &[&str], wrong: &mut Vec<Mistake>) -> Option<Url> {
    let parsed = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
    if parsed.is_none() {
        let message = format!("is not an address that begins with {}://", schemes.join(":// or "));
        wrong.push(Mistake::new(field, message));
    }
    parsed
}
