//! Lifetimes and algorithms of what is issued.

use std::{collections::BTreeMap, sync::Arc};

use carnet_core::{Mistake, Source, SourceConfig as _};
use carnet_issuer::IssuerSettings;
use carnet_oci::source::{instance::InstanceConfig, oke::OkeConfig, profile::ProfileConfig, resource::ResourceConfig};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

/// Lifetimes and algorithms of what is issued. Rules and entries may say otherwise, within these bounds.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenSection {
    /// The algorithm for each audience that needs a certain one. Entra ID and AWS STS get RS256 in any case.
    #[serde(default)]
    algorithms: BTreeMap<String, String>,
    /// The algorithm for every other audience. ES256 unless this says otherwise.
    #[serde(default)]
    default_algorithm: Option<String>,
    /// Life of access tokens, in seconds. 900 unless this says otherwise.
    #[serde(default)]
    access_token_seconds: Option<u32>,
    /// Life of JWT-SVIDs, in seconds. 300 unless this says otherwise.
    #[serde(default)]
    jwt_svid_seconds: Option<u32>,
    /// Life of X509-SVIDs, in seconds. 3600 unless this says otherwise.
    #[serde(default)]
    x509_svid_seconds: Option<u32>,
    /// Nothing lives longer, whatever a rule says, in seconds. A week unless this says otherwise.
    #[serde(default)]
    max_seconds: Option<u32>,
    /// Where relying parties find the keys, when that is not `/keys` below the issuer.
    #[serde(default)]
    jwks_uri: Option<String>,
    /// Who the authority is to Oracle: `instance`, `resource`, `oke`, or `config` for the profile of the environment. It needs the policy `inspect
    /// authentication in tenancy`, and asks who has signed a login and in which groups that is. Without it rules cannot name groups of OCI.
    #[serde(default)]
    oci_principal: Option<OciPrincipal>,
}

/// A place that gives an identity of OCI.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum OciPrincipal {
    /// The instance that it runs on.
    Instance,
    /// The function or other resource that it is.
    Resource,
    /// The pod on Kubernetes Engine.
    Oke,
    /// The profile of Oracle's configuration file.
    Config,
}

impl OciPrincipal {
    fn source(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        match self {
            Self::Instance => InstanceConfig::default().build(),
            Self::Resource => ResourceConfig::default().build(),
            Self::Oke => OkeConfig::default().build(),
            Self::Config => ProfileConfig::default().build(),
        }
    }
}

impl TokenSection {
    pub(super) fn check(self) -> Result<IssuerSettings, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut settings = IssuerSettings { jwks_uri: self.jwks_uri, ..IssuerSettings::default() };
        for (audience, name) in &self.algorithms {
            match name.parse() {
                Ok(algorithm) => drop(settings.algorithms.insert(audience.clone(), algorithm)),
                Err(_) => mistakes.push(unknown(&format!("algorithms.{audience}"), name)),
            }
        }
        if let Some(name) = &self.default_algorithm {
            match name.parse() {
                Ok(algorithm) => settings.default_algorithm = algorithm,
                Err(_) => mistakes.push(unknown("default_algorithm", name)),
            }
        }
        match self.oci_principal.map(OciPrincipal::source).transpose() {
            Ok(source) => settings.oci_principal = source,
            Err(found) => {
                mistakes
                    .extend(found.into_iter().map(|mistake| Mistake { field: "oci_principal".to_owned(), ..mistake }));
            }
        }
        let lifetimes = [
            (self.access_token_seconds, &mut settings.access_token_lifetime),
            (self.jwt_svid_seconds, &mut settings.jwt_svid_lifetime),
            (self.x509_svid_seconds, &mut settings.x509_svid_lifetime),
            (self.max_seconds, &mut settings.max_lifetime),
        ];
        for (seconds, lifetime) in lifetimes {
            if let Some(seconds) = seconds {
                *lifetime = SignedDuration::from_secs(seconds.into());
            }
        }
        if let Err(found) = settings.check() {
            mistakes.extend(found.into_iter().map(|mut mistake| {
                mistake.field = mistake.field.replace("_lifetime", "_seconds");
                mistake
            }));
        }
        if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
    }
}

fn unknown(field: &str, name: &str) -> Mistake {
    let mistake = Mistake::new(field, format!("`{}` is no algorithm", carnet_core::safe_text(name)));
    mistake.hint("the algorithms are RS256, ES256, ES384 and EdDSA")
}
