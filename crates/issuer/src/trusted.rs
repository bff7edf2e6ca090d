//! Issuers whose tokens are taken, as data.

use std::sync::Arc;

use carnet_core::{Mistake, is_loopback};
use carnet_jose::{Algorithm, KeySet};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::signed_issuer::SignedIssuer;

/// Algorithms that are taken unless the issuer names some: those that the large issuers sign with.
const USUAL_ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Ps256, Algorithm::EdDsa];
/// Tolerance for clocks unless configured, in seconds.
const USUAL_LEEWAY: u32 = 30;
/// Most tolerance, in seconds: with more a token's end means nothing.
const MAX_LEEWAY: u32 = 300;
/// What is wrong with a place of keys that [`is_safe`] does not take.
const PLAIN: &str = "keys would come from another machine over plain http, where they can be replaced on the way";
/// What to do about it.
const PLAIN_HINT: &str = "write https; http is for loopback only; or pin the keys with jwks";
/// Longest life of a token unless configured, in seconds. Workload tokens live for minutes, Kubernetes' for an hour.
pub(crate) const USUAL_MAX_AGE: u32 = 86_400;

/// An issuer whose tokens are taken. One that is named in a rule only has the defaults: its keys are where its discovery document says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuer {
    /// `iss`, compared byte for byte; or `oci://TENANCY` or `aws://ACCOUNT`, whose principals show requests that they have signed.
    pub issuer: String,
    /// Where the discovery document is, if it is not below the issuer. It must name the issuer all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery_url: Option<String>,
    /// Where the keys are. No discovery document is read then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// The keys themselves, a JWKS: pinned. Nothing is fetched then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Hosts besides the issuer's own that keys may be fetched from (`jwks_uri` of the discovery document).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jwks_hosts: Vec<String>,
    /// PEM certificates that its servers are believed by in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// Algorithms of its tokens: RS256, ES256, ES384, PS256 and EdDSA unless given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<String>,
    /// Tolerance for clocks that disagree, in seconds: 30 unless given, at most 300. Of signed requests how far their date may be away: 300 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leeway: Option<u32>,
    /// Longest life of its tokens (`exp - iat`), in seconds: 86400 unless given. Tokens without `iat` are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
    /// `typ` of its tokens. `JWT`, and `at+jwt` for access tokens, unless given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Whether a token without `typ` is refused.
    #[serde(default)]
    pub require_type: bool,
    /// Regions whose services signed requests may have been made for; all of the tenancy's realm, or of AWS, when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
}

/// An issuer that has been checked.
#[derive(Clone, Debug)]
pub(crate) struct CheckedIssuer {
    pub(crate) data: TrustedIssuer,
    pub(crate) keys: KeysAt,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: SignedDuration,
    pub(crate) max_age: SignedDuration,
    /// Whose principals sign requests; there are no tokens then.
    pub(crate) signs: Option<SignedIssuer>,
}

/// Where its keys are.
#[derive(Clone, Debug)]
pub(crate) enum KeysAt {
    Discovery,
    Document(Url),
    Url(Url),
    Pinned(Arc<KeySet>),
}

/// Whether nobody on the way can replace what comes from there: with TLS, or without it from this machine.
pub(crate) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

impl TrustedIssuer {
    /// One with the defaults.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<CheckedIssuer, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let given = [self.discovery_url.is_some(), self.jwks_url.is_some(), self.jwks.is_some()];
        let urls = [("discovery_url", self.discovery_url.as_ref()), ("jwks_url", self.jwks_url.as_ref())];
        // An issuer whose keys are elsewhere is but a name.
        let own = ("issuer", (given == [false; 3]).then_some(&self.issuer));
        for (field, text) in urls.into_iter().chain([own]) {
            if text.and_then(|text| Url::parse(text).ok()).is_some_and(|url| url.scheme() == "http" && !is_safe(&url)) {
                mistakes.push(Mistake::new(field, PLAIN).hint(PLAIN_HINT));
            }
        }
        let mut mistake = |field: &str, message: String| mistakes.push(Mistake::new(field, message));
        let signs = match SignedIssuer::parse(&self.issuer) {
            None => None,
            Some(Ok(signs)) => Some(signs),
            Some(Err(wrong)) => {
                mistake("issuer", wrong.to_owned());
                None
            }
        };
        let of_tokens = SignedIssuer::parse(&self.issuer).is_none();
        self.check_signed(of_tokens, signs.as_ref(), &mut mistake);
        let url = |text: &str| {
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.host().is_some())
        };
        if of_tokens && url(&self.issuer).is_none_or(|url| url.query().is_some() || url.fragment().is_some()) {
            mistake("issuer", "it is no https URL without query and fragment".to_owned());
        }
        if given.into_iter().filter(|given| *given).count() > 1 {
            mistake("jwks", "give one of discovery_url, jwks_url and jwks: keys come from one place".to_owned());
        }
        let mut read = |field: &str, text: &str| {
            let found = url(text);
            if found.is_none() {
                mistake(field, "it is no https URL".to_owned());
            }
            found
        };
        let keys = match (&self.discovery_url, &self.jwks_url, &self.jwks) {
            (Some(text), ..) => read("discovery_url", text).map(KeysAt::Document),
            (_, Some(text), _) => read("jwks_url", text).map(KeysAt::Url),
            (_, _, Some(document)) => match KeySet::from_json(document.to_string().as_bytes()) {
                Ok(keys) if keys.is_empty() => {
                    mistake("jwks", "there is no key for signatures in it".to_owned());
                    None
                }
                Ok(keys) => Some(KeysAt::Pinned(Arc::new(keys))),
                Err(error) => {
                    mistake("jwks", error.to_string());
                    None
                }
            },
            (None, None, None) => Some(KeysAt::Discovery),
        };
        let mut algorithms = Vec::new();
        for name in &self.algorithms {
            match name.parse::<Algorithm>() {
                Ok(algorithm) => algorithms.push(algorithm),
                Err(error) => mistake("algorithms", error.to_string()),
            }
        }
        if self.algorithms.is_empty() {
            algorithms.extend(USUAL_ALGORITHMS);
        }
        if self.leeway.is_some_and(|leeway| leeway > MAX_LEEWAY) {
            mistake("leeway", format!("it is more than {MAX_LEEWAY} seconds"));
        }
        if self.max_age == Some(0) {
            mistake("max_age", "no token lives for 0 seconds".to_owned());
        }
        if self.ca_pem.as_deref().is_some_and(|pem| !pem.contains("-----BEGIN CERTIFICATE-----")) {
            mistake("ca_pem", "there is no certificate in PEM in it".to_owned());
        }
        if let Some(host) = self.jwks_hosts.iter().find(|host| url::Host::parse(host).is_err()) {
            mistake("jwks_hosts", format!("{host:?} is no name of a host"));
        }
        let seconds = |seconds: u32| SignedDuration::from_secs(i64::from(seconds));
        match keys {
            Some(keys) if mistakes.is_empty() => Ok(CheckedIssuer {
                keys,
                algorithms,
                leeway: seconds(self.leeway.unwrap_or(if of_tokens { USUAL_LEEWAY } else { MAX_LEEWAY })),
                max_age: seconds(self.max_age.unwrap_or(USUAL_MAX_AGE)),
                signs,
                data: self.clone(),
            }),
            _ => Err(mistakes),
        }
    }

    /// What goes with tokens, and what with signed requests.
    fn check_signed(&self, of_tokens: bool, signs: Option<&SignedIssuer>, mistake: &mut impl FnMut(&str, String)) {
        if of_tokens {
            if !self.regions.is_empty() {
                mistake("regions", "only oci://TENANCY and aws://ACCOUNT have regions".to_owned());
            }
            return;
        }
        let keys = self.jwks.is_some() || self.jwks_url.is_some();
        let aws = matches!(signs, Some(SignedIssuer::Aws(_)));
        for (field, set) in [
            ("discovery_url", self.discovery_url.is_some()),
            ("jwks", aws && keys),
            ("jwks_hosts", !self.jwks_hosts.is_empty()),
            ("algorithms", !self.algorithms.is_empty()),
            ("max_age", self.max_age.is_some()),
            ("types", !self.types.is_empty()),
            ("require_type", self.require_type),
        ] {
            if set {
                mistake(field, "principals of this issuer sign requests, and show no tokens".to_owned());
            }
        }
        if self.regions.iter().any(|region| region.is_empty() || !region.bytes().all(is_of_region)) {
            mistake("regions", "one of them is no region, such as us-ashburn-1 or eu-central-1".to_owned());
        }
    }
}

impl CheckedIssuer {
    /// Whether there are keys with which the session tokens of the tenancy can be verified here.
    pub(crate) fn has_keys(&self) -> bool {
        matches!(self.keys, KeysAt::Url(_) | KeysAt::Pinned(_))
    }
}

fn is_of_region(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}
