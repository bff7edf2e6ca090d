//! From what was written to what is meant.

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use carnet_core::{Mistake, safe_text};
use carnet_net::TrustedProxies;
use carnet_ops::{TelemetrySection, TelemetrySettings};
use jiff::SignedDuration;

use super::{
    AcmeSection, BundleSection, DiscoveryConfig, DiscoveryPlan, HealthPlan, HealthSection, ListenPlan, ListenSection,
    SourceSection, TlsSection, UrlSection,
};
use crate::{
    BundleSettings, CONFIGURATION_PATH, CertificatePlan, EndpointProfile, FilesPlan, KEYS_PATH, Settings, Source,
    acme::{AcmeChallenge, AcmeSettings, ChallengeType, ExternalAccount, LETS_ENCRYPT, check_email, check_names},
    endpoint::check_endpoint_url,
    settings::{check_path, normal_domain},
};

/// How often sources are read unless configured, as in SPIRE.
const POLL: Duration = Duration::from_secs(10);
/// How often a bundle endpoint on the network is.
const POLL_URL: Duration = Duration::from_mins(1);
/// How often certificate files are looked at, as in SPIRE.
const RELOAD: Duration = Duration::from_mins(1);
/// Bounds of the times above.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);
const LONGEST: SignedDuration = SignedDuration::from_hours(24);
/// Longest that readers may be told to keep documents: keys of SPIRE are published for hours before they sign.
const LONGEST_AGE: SignedDuration = SignedDuration::from_hours(1);
/// Everybody may connect.
const SOCKET_MODE: u32 = 0o777;
/// Where SPIRE keeps what it had by ACME.
const CACHE_DIR: &str = ".acme-cache";

/// Collects mistakes, so that all are told.
#[derive(Default)]
struct Checker(Vec<Mistake>);

pub(super) fn check(config: DiscoveryConfig) -> Result<DiscoveryPlan, Vec<Mistake>> {
    let mut checker = Checker::default();
    match checker.plan(config) {
        Some(plan) if checker.0.is_empty() => Ok(plan),
        _ => Err(checker.0),
    }
}

impl Checker {
    fn plan(&mut self, config: DiscoveryConfig) -> Option<DiscoveryPlan> {
        let settings = self.settings(&config);
        let (source, bootstrap, poll) = self.source(config.source);
        let listen = self.listen(config.listen, &settings.domains);
        let bundle = config.bundle.map(|section| self.bundle(section));
        let has_health = config.health.is_some();
        let health = config.health.and_then(|section| self.health(section));
        let taken = [CONFIGURATION_PATH, KEYS_PATH].map(|path| format!("{}{path}", settings.prefix()));
        if bundle.as_ref().is_some_and(|bundle| taken.contains(&bundle.path)) {
            self.wrong("bundle.path", "this path is that of another document");
        }
        let wants_diagnostics = config.diagnostics.is_some();
        let diagnostics = config.diagnostics.and_then(|text| self.address("diagnostics", &text));
        let telemetry = config.telemetry.and_then(|section| self.telemetry(&section));
        let plain = matches!(listen, Some(ListenPlan::Plain(_) | ListenPlan::Socket(..)));
        let settings = Settings { plain, ..settings };
        let log_requests = config.log_requests;
        if has_health && health.is_none() || wants_diagnostics && diagnostics.is_none() {
            return None;
        }
        Some(DiscoveryPlan {
            settings,
            source,
            bootstrap,
            poll,
            listen: listen?,
            bundle,
            health,
            diagnostics,
            telemetry,
            log_requests,
        })
    }

    fn settings(&mut self, config: &DiscoveryConfig) -> Settings {
        let defaults = Settings::default();
        let trusted_proxies = TrustedProxies::parse(&config.trusted_proxies)
            .map_err(|wrong| self.wrong("trusted_proxies", &wrong))
            .unwrap_or_default();
        let settings = Settings {
            issuer: config.issuer.clone(),
            jwks_uri: config.jwks_uri.clone(),
            path_prefix: config.path_prefix.clone().unwrap_or(defaults.path_prefix),
            // What cannot be made plain stays as it is, and is refused below.
            domains: config.domains.iter().map(|name| normal_domain(name).unwrap_or_else(|| name.clone())).collect(),
            trusted_proxies,
            plain: false,
            allow_insecure_scheme: config.allow_insecure_scheme,
            key_use: config.key_use.unwrap_or(defaults.key_use),
            max_age: self.duration("max_age", config.max_age.as_deref(), defaults.max_age, LONGEST_AGE),
            max_keys: config.max_keys.map_or(defaults.max_keys, usize::from),
            metadata: config.metadata.clone().into_iter().collect(),
        };
        self.0.extend(settings.check().err().into_iter().flatten());
        settings
    }

    fn source(&mut self, section: SourceSection) -> (Source, Option<PathBuf>, Duration) {
        match section {
            SourceSection::WorkloadApi(section) => {
                let endpoint = section.address.unwrap_or_default();
                if !endpoint.is_empty() {
                    self.address_of_api("source.workload-api.address", &endpoint, true);
                }
                let poll = self.duration("source.workload-api.poll", section.poll.as_deref(), POLL, LONGEST);
                (Source::WorkloadApi { endpoint, trust_domain: section.trust_domain }, None, poll)
            }
            SourceSection::ServerApi(section) => {
                self.address_of_api("source.server-api.address", &section.address, false);
                let poll = self.duration("source.server-api.poll", section.poll.as_deref(), POLL, LONGEST);
                (Source::ServerApi { endpoint: section.address }, None, poll)
            }
            SourceSection::File(section) => {
                let poll = self.duration("source.file.poll", section.poll.as_deref(), POLL, LONGEST);
                (Source::File { path: section.path, trust_domain: section.trust_domain }, None, poll)
            }
            SourceSection::Url(section) => self.url_source(section),
        }
    }

    fn url_source(&mut self, section: UrlSection) -> (Source, Option<PathBuf>, Duration) {
        let UrlSection { url, trust_domain, profile, bootstrap, poll } = section;
        self.0.extend(check_endpoint_url("source.url.url", &url).err());
        let profile = profile.unwrap_or(EndpointProfile::HttpsWeb);
        if let EndpointProfile::HttpsSpiffe { endpoint_spiffe_id } = &profile {
            if bootstrap.is_none() {
                let wrong = "an `https_spiffe` endpoint needs a bundle that it is believed by at first";
                self.wrong("source.url.bootstrap", wrong);
            }
            if !endpoint_spiffe_id.is_of(&trust_domain) {
                let wrong = format!("the endpoint is not of {trust_domain}, and no other bundle is at hand here");
                self.wrong("source.url.profile", &wrong);
            }
        }
        let poll = self.duration("source.url.poll", poll.as_deref(), POLL_URL, LONGEST);
        (Source::Url { url, trust_domain, profile, bootstrap: None }, bootstrap, poll)
    }

    fn listen(&mut self, section: ListenSection, domains: &[String]) -> Option<ListenPlan> {
        match section {
            ListenSection::Tls(TlsSection { address, certificate, private_key, reload }) => {
                let reload = self.duration("listen.tls.reload", reload.as_deref(), RELOAD, LONGEST);
                let address = self.address("listen.tls.address", address.as_deref().unwrap_or(":443"))?;
                Some(ListenPlan::Tls(address, CertificatePlan::Files(FilesPlan { certificate, private_key, reload })))
            }
            ListenSection::Acme(section) => self.acme(section, domains),
            ListenSection::Plain(section) => {
                self.address("listen.plain.address", &section.address).map(ListenPlan::Plain)
            }
            ListenSection::Socket(section) => {
                let mode = section.mode.as_deref().map_or(Some(SOCKET_MODE), octal);
                if mode.is_none() {
                    self.wrong("listen.socket.mode", "it is not an octal mode such as 0770");
                }
                Some(ListenPlan::Socket(section.path, mode?))
            }
        }
    }

    fn acme(&mut self, section: AcmeSection, domains: &[String]) -> Option<ListenPlan> {
        // What is no name at all has been refused with the settings.
        let known = self.0.iter().any(|mistake| mistake.field == "domains");
        let names =
            check_names("domains", domains).map_err(|mistakes| self.0.extend(mistakes.into_iter().filter(|_| !known)));
        if !section.tos_accepted {
            let wrong = "the authority gives certificates only to those who agree to its terms";
            self.wrong("listen.acme.tos_accepted", wrong);
        }
        self.0.extend(check_email("listen.acme.email", &section.email).err());
        let directory_url = section.directory_url.unwrap_or_else(|| LETS_ENCRYPT.to_owned());
        self.0.extend(check_endpoint_url("listen.acme.directory_url", &directory_url).err());
        let address = self.address("listen.acme.address", section.address.as_deref().unwrap_or(":443"));
        let challenge = self.challenge(section.challenge_type, section.challenge_address.as_deref());
        if let Some(mistake) = section.external_account.as_ref().and_then(ExternalAccount::check) {
            self.0.push(Mistake { field: format!("listen.acme.external_account.{}", mistake.field), ..mistake });
        }
        let settings = AcmeSettings {
            directory_url,
            email: section.email,
            domains: names.ok()?,
            challenge: challenge?,
            external_account: section.external_account,
            cache_dir: section.cache_dir.unwrap_or_else(|| PathBuf::from(CACHE_DIR)),
            ca_file: section.ca_file,
        };
        Some(ListenPlan::Tls(address?, CertificatePlan::Acme(settings)))
    }

    fn challenge(&mut self, kind: Option<ChallengeType>, address: Option<&str>) -> Option<AcmeChallenge> {
        let field = "listen.acme.challenge_address";
        match kind.unwrap_or(ChallengeType::Http01) {
            ChallengeType::Http01 => self.address(field, address.unwrap_or(":80")).map(AcmeChallenge::Http01),
            ChallengeType::TlsAlpn01 => {
                if address.is_some() {
                    self.wrong(field, "`tls-alpn-01` is proved at `address`, and nothing listens here");
                }
                Some(AcmeChallenge::TlsAlpn01)
            }
        }
    }

    fn bundle(&mut self, section: BundleSection) -> BundleSettings {
        let defaults = BundleSettings::default();
        let default = defaults.refresh_hint.unsigned_abs();
        let hint = self.duration("bundle.refresh_hint", section.refresh_hint.as_deref(), default, LONGEST);
        let refresh_hint = SignedDuration::try_from(hint).unwrap_or(defaults.refresh_hint);
        let settings = BundleSettings { path: section.path.unwrap_or(defaults.path), refresh_hint };
        let mistakes = settings.check().err().into_iter().flatten();
        self.0.extend(mistakes.map(|mistake| Mistake { field: format!("bundle.{}", mistake.field), ..mistake }));
        settings
    }

    fn health(&mut self, section: HealthSection) -> Option<HealthPlan> {
        let ready_path = section.ready_path.unwrap_or_else(|| "/ready".to_owned());
        let live_path = section.live_path.unwrap_or_else(|| "/live".to_owned());
        self.0.extend(check_path("health.ready_path", &ready_path).err());
        self.0.extend(check_path("health.live_path", &live_path).err());
        if ready_path == live_path {
            self.wrong("health.live_path", "it is the path of readiness");
        }
        let address = self.address("health.address", section.address.as_deref().unwrap_or(":8008"))?;
        Some(HealthPlan { address, ready_path, live_path })
    }

    fn telemetry(&mut self, section: &TelemetrySection) -> Option<TelemetrySettings> {
        let checked = section.check("carnet-discovery").map_err(|mistakes| {
            let below = |mistake: Mistake| Mistake { field: format!("telemetry.{}", mistake.field), ..mistake };
            self.0.extend(mistakes.into_iter().map(below));
        });
        checked.ok()
    }

    fn address_of_api(&mut self, field: &str, text: &str, tcp: bool) {
        match text.parse::<carnet_grpc::Endpoint>() {
            Err(error) => self.wrong(field, &error.to_string()),
            Ok(carnet_grpc::Endpoint::Tcp(_)) if !tcp => self.wrong(field, "this API is asked over a Unix socket only"),
            Ok(_) => {}
        }
    }

    /// `IP:PORT`, or `:PORT` for all addresses.
    fn address(&mut self, field: &str, text: &str) -> Option<SocketAddr> {
        let everywhere = text.strip_prefix(':').and_then(|port| port.parse::<u16>().ok());
        let address = match everywhere {
            Some(port) => Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
            None => text.parse().ok(),
        };
        if address.is_none() {
            let wrong = format!("`{}` is neither IP:PORT nor :PORT", safe_text(text));
            self.wrong(field, &wrong);
        }
        address
    }

    fn duration(&mut self, field: &str, text: Option<&str>, default: Duration, most: SignedDuration) -> Duration {
        let Some(text) = text else { return default };
        match text.parse::<SignedDuration>() {
            Ok(duration) if (SHORTEST..=most).contains(&duration) => return duration.unsigned_abs(),
            Ok(_) => self.wrong(field, &format!("it is between {SHORTEST:#} and {most:#}")),
            Err(_) => self.wrong(field, &format!("`{}` is no duration such as 10s or 1h 30m", safe_text(text))),
        }
        default
    }

    fn wrong(&mut self, field: &str, message: &str) {
        self.0.push(Mistake::new(field, message));
    }
}

fn octal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777)
}
