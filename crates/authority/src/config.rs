//! The section `[authority]` of the configuration.

mod clusters;
mod federation;
mod keys;
mod listen;
mod store;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use carnet_attest::AttestConfig;
use carnet_core::{Mistake, SectionConfig};
use carnet_issuer::IssuerSettings;
use carnet_kubernetes::relying::ClusterConfig;
use carnet_ops::{TelemetrySection, TelemetrySettings};
use carnet_spiffe::TrustDomain;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

pub use federation::Foreign;
pub use keys::{KeyPlace, Seal, TokenPlace};
pub use listen::{AdminAccess, Listen};
pub use store::StorePlace;

use federation::FederationSection;
use keys::KeySection;
use listen::ListenSection;
use store::StoreSection;
use tokens::TokenSection;

/// An authority: it gives identities to workloads, exchanges tokens by rules, and publishes the keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthorityConfig {
    /// What stands in `iss` and where the discovery documents are, for instance `https://oidc.example.org`. Relying
    /// parties compare it byte for byte: no slash at the end.
    issuer: String,
    /// The SPIFFE trust domain, for instance `example.org`. It cannot be changed later.
    trust_domain: String,
    /// Where it remembers what it did.
    #[serde(default)]
    store: StoreSection,
    /// The signing keys.
    #[serde(default)]
    keys: KeySection,
    /// Lifetimes and algorithms of what is issued.
    #[serde(default)]
    tokens: TokenSection,
    /// Where it listens.
    #[serde(default)]
    listen: ListenSection,
    /// Files, or folders of files that end in `.toml`, with trust rules and trusted issuers. Read again when they change.
    #[serde(default)]
    rules: Vec<PathBuf>,
    /// Files, or folders of files that end in `.toml`, with registration entries. Read again when they change.
    #[serde(default)]
    entries: Vec<PathBuf>,
    /// Foreign trust domains whose identities are known here, by their names.
    #[serde(default)]
    federates_with: BTreeMap<String, FederationSection>,
    /// Kubernetes clusters whose pods are believed, by names of their own. Rules say who of them may do what, and name them by their `issuer`.
    #[serde(default)]
    cluster: BTreeMap<String, ClusterConfig>,
    /// How nodes prove what they are.
    #[serde(default)]
    attest: AttestConfig,
    /// Where traces go. Nowhere when absent.
    #[serde(default)]
    telemetry: Option<TelemetrySection>,
}

/// It, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What stands in `iss`.
    pub issuer: String,
    /// The SPIFFE trust domain.
    pub trust_domain: TrustDomain,
    /// Where it remembers.
    pub store: StorePlace,
    /// The signing keys.
    pub keys: KeyPlace,
    /// Lifetimes and algorithms.
    pub tokens: IssuerSettings,
    /// Where it listens.
    pub listen: Listen,
    /// Files and folders with rules and issuers.
    pub rules: Vec<PathBuf>,
    /// Files and folders with registration entries.
    pub entries: Vec<PathBuf>,
    /// Foreign trust domains.
    pub federation: Vec<Foreign>,
    /// Kubernetes clusters whose pods are believed.
    pub clusters: BTreeMap<String, ClusterConfig>,
    /// How nodes prove what they are.
    pub attest: AttestConfig,
    /// Where traces go.
    pub telemetry: Option<TelemetrySettings>,
}

impl SectionConfig for AuthorityConfig {
    const NAME: &'static str = "authority";
    const ABOUT: &'static str = "The issuer of identities: keys, rules, store, listeners of `carnet authority`.";
    type Checked = Settings;

    fn check(self) -> Result<Settings, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let issuer = self.issuer;
        issuer_url(&issuer, &mut mistakes);
        let trust_domain = TrustDomain::try_from(self.trust_domain.as_str())
            .map_err(|error| mistakes.push(Mistake::new("trust_domain", error.to_string())))
            .ok();
        let store = below("store", self.store.check(), &mut mistakes);
        let tokens = below("tokens", self.tokens.check(), &mut mistakes);
        let listen = below("listen", self.listen.check(), &mut mistakes);
        let telemetry =
            self.telemetry.map(|section| below("telemetry", section.check("carnet-authority"), &mut mistakes));
        let keys = trust_domain.clone().and_then(|domain| below("keys", self.keys.check(domain), &mut mistakes));
        below("attest", self.attest.check(), &mut mistakes);
        clusters::check(&self.cluster, &issuer, &mut mistakes);
        let mut federation = Vec::new();
        for (name, section) in self.federates_with {
            let place = format!("federates_with.{name}");
            federation.extend(below(&place, section.check(&name), &mut mistakes));
        }
        let names: BTreeSet<_> = federation.iter().map(|one| one.relationship.trust_domain.clone()).collect();
        if let Some(own) = trust_domain.as_ref().filter(|own| names.contains(own)) {
            mistakes.push(Mistake::new(
                format!("federates_with.{own}"),
                "this is the trust domain of the authority itself",
            ));
        }
        let whole = || -> Option<Settings> {
            Some(Settings {
                issuer,
                trust_domain: trust_domain?,
                store: store?,
                keys: keys?,
                tokens: tokens?,
                listen: listen?,
                rules: self.rules,
                entries: self.entries,
                federation,
                clusters: self.cluster,
                attest: self.attest,
                telemetry: match telemetry {
                    Some(section) => Some(section?),
                    None => None,
                },
            })
        };
        match whole() {
            Some(settings) if mistakes.is_empty() => Ok(settings),
            _ => Err(mistakes),
        }
    }
}

/// Puts the mistakes of a part below its name.
fn below<T>(name: &str, checked: Result<T, Vec<Mistake>>, mistakes: &mut Vec<Mistake>) -> Option<T> {
    let found = match checked {
        Ok(value) => return Some(value),
        Err(found) => found,
    };
    mistakes.extend(found.into_iter().map(|mut mistake| {
        mistake.field = match mistake.field.as_str() {
            "" => name.to_owned(),
            field => format!("{name}.{field}"),
        };
        mistake
    }));
    None
}

/// What relying parties take as an issuer (OpenID Connect Discovery 1.0, 3: https, no query, no fragment). Plain HTTP only
/// where nobody else can listen.
fn issuer_url(issuer: &str, mistakes: &mut Vec<Mistake>) {
    let mut mistake = |message: &str, hint: &str| mistakes.push(Mistake::new("issuer", message).hint(hint));
    let Ok(url) = Url::parse(issuer) else {
        return mistake("it is not a URL", "write https://HOST, with a path if you need one");
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && carnet_core::is_loopback(&url)) {
        mistake("it is not an https URL", "only on loopback it may be http");
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return mistake("it has a query, a fragment or a user", "write the scheme, the host and the path alone");
    }
    if issuer.ends_with('/') {
        mistake("it ends with a slash", "relying parties compare it byte for byte; leave the slash away");
    }
    if url.as_str().trim_end_matches('/') != issuer.trim_end_matches('/') {
        mistake("it is not in its plain form", &format!("write {}", url.as_str().trim_end_matches('/')));
    }
}
