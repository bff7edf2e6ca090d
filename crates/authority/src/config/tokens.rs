//! Lifetimes and algorithms of what is issued.

use std::collections::BTreeMap;

use carnet_core::Mistake;
use carnet_issuer::IssuerSettings;
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
