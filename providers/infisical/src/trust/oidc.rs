//! OIDC: a token of an issuer that has a discovery document (`identity-oidc-auth-service.ts`).

use std::collections::BTreeMap;

use carnet_core::Secret;
use carnet_jose::{Claims, KeySet, UnverifiedJwt};
use carnet_trust::Warning;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Checked, Pattern, Proven, Refused, TokenSettings,
    claims::{self, Unbound},
    refused::Why,
    shown,
    token::{self, Expected, FORM_FIX},
    warning,
};

/// Most keys that are tried for a token that names none.
const MAX_KEYS: usize = 10;

/// `oidc-auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OidcAuth {
    /// Life, uses and networks of its tokens.
    #[serde(flatten)]
    pub token: TokenSettings,
    /// Where the discovery document is, without `/.well-known/…`. Its own `issuer` is not looked at.
    pub oidc_discovery_url: String,
    /// Roots for discovery and keys (PEM).
    pub ca_cert: String,
    /// What `iss` must be.
    pub bound_issuer: String,
    /// Patterns for `aud`, separated by `, `. Empty: not looked at.
    pub bound_audiences: String,
    /// Patterns for claims: a path with dots, patterns separated by `, `.
    pub bound_claims: BTreeMap<String, String>,
    /// Metadata of the identity that is taken from claims: name, path with dots.
    pub claim_metadata_mapping: Option<BTreeMap<String, String>>,
    /// Pattern for `sub`. Empty: not looked at.
    pub bound_subject: String,
}

impl OidcAuth {
    /// The discovery document could not be had. It is asked for before the token is looked at.
    pub fn undiscovered(&self, why: &str) -> Box<Refused> {
        let url = &self.oidc_discovery_url;
        let text = format!("Access denied: Failed to fetch OIDC discovery document from {url}. {why}");
        keys(why, url, text)
    }

    /// The discovery document names no keys.
    pub fn without_keys(&self) -> Box<Refused> {
        let text = "Access denied: OIDC discovery document does not contain a jwks_uri. The identity provider may be \
                    misconfigured.";
        keys("no `jwks_uri`", &self.oidc_discovery_url, text)
    }

    /// The keys could not be had.
    pub fn unfetched(&self, token: &Secret, why: &str) -> Box<Refused> {
        let named = token::decode(token).is_some_and(|token| token.unverified_kid().is_some());
        let what = if named { "signing key" } else { "signing keys" };
        keys(why, "the key set", format!("Access denied: Failed to retrieve {what} from OIDC provider: {why}"))
    }

    /// Whether this token logs in. `keys` are those that the document names, fetched now.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, token: &Secret, keys: &KeySet, now: Timestamp) -> Checked<Proven> {
        let token = token::decode(token).ok_or_else(malformed)?;
        let claims = self.verify(&token, keys, now)?;
        let mut held = vec!["signature", "expired", "issuer"];
        self.check_subject(&claims)?;
        held.push("subject");
        self.check_audience(&claims)?;
        held.push("audience");
        claims::check(&claims, &self.bound_claims).map_err(unbound)?;
        held.push("bound-claims");
        let attributes = self.metadata(&claims)?;
        let principal = shown(claims.str("sub"));
        Ok(Proven { principal, attributes, held, warnings: token::lint(&claims) })
    }

    fn verify(&self, token: &UnverifiedJwt, keys: &KeySet, now: Timestamp) -> Checked<Claims> {
        let expected = Expected { issuer: Some(&self.bound_issuer), ..Expected::default() };
        let Some(kid) = token.unverified_kid() else { return verify_with_any(token, keys, expected, now) };
        let named = token::by_kid(keys, kid);
        if named.is_empty() {
            let kid = carnet_core::safe_text(kid);
            let text = format!(
                "Access denied: Unable to verify JWT signature. The signing key '{kid}' was not found in the OIDC \
                 provider's JWKS endpoint. This may indicate an invalid token or misconfigured OIDC provider."
            );
            let why = Why { clause: "key", seen: &kid, wanted: "the id of a published key", fix: KEY_FIX };
            return Err(Refused::unauthorized(&why, text));
        }
        token::verify(token, &named, expected, now)
            .map_err(|thrown| Refused::unauthorized(&thrown.why(), format!("Access denied: {}", thrown.text)))
    }

    fn check_subject(&self, claims: &Claims) -> Checked<()> {
        let wanted = &self.bound_subject;
        let seen = claims.str("sub");
        if wanted.is_empty() || seen.is_some_and(|seen| Pattern::new(wanted).accepts(seen)) {
            return Ok(());
        }
        let fix = "compare `boundSubject` with the claim `sub`: `*` does not stand for `/` there, `**` as a whole segment does";
        let why = Why { clause: "subject", seen: &shown(seen), wanted, fix };
        Err(Refused::forbidden(&why, "Access denied: OIDC subject not allowed."))
    }

    fn check_audience(&self, claims: &Claims) -> Checked<()> {
        let seen = claims.audiences();
        if audience_fits(&self.bound_audiences, &seen) {
            return Ok(());
        }
        let fix = "ask the issuer for a token with a wanted audience, or add the one seen to `boundAudiences`";
        let why = Why { clause: "audience", seen: &shown(Some(&seen.join(", "))), wanted: &self.bound_audiences, fix };
        Err(Refused::unauthorized(&why, "Access denied: OIDC audience not allowed."))
    }

    fn metadata(&self, claims: &Claims) -> Checked<BTreeMap<String, String>> {
        let mut attributes = BTreeMap::new();
        for (name, path) in self.claim_metadata_mapping.iter().flatten() {
            let value = claims::at_path(claims, path).filter(|value| !token::is_falsy(Some(value)));
            let value = value.ok_or_else(|| missing("claim-mapping", path))?;
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            attributes.insert(name.clone(), carnet_core::safe_text(&text));
        }
        Ok(attributes)
    }

    /// What there is to say against a method that works.
    pub fn lint(&self) -> Vec<Warning> {
        let mut warnings = self.token.lint();
        if self.bound_audiences.is_empty() {
            warnings.push(no_audience());
        }
        warnings.extend(claims::lint(&self.bound_issuer, &self.bound_subject, &self.bound_claims));
        if self.oidc_discovery_url.starts_with("http://") {
            warnings.push(warning("keys", "keys are fetched without TLS", "use an https address"));
        }
        warnings
    }
}

/// Whether one of the audiences matches one of the patterns. No patterns: whatever they are.
pub(super) fn audience_fits(bound: &str, seen: &[&str]) -> bool {
    bound.is_empty() || bound.split(", ").map(Pattern::new).any(|pattern| seen.iter().any(|seen| pattern.accepts(seen)))
}

pub(super) fn no_audience() -> Warning {
    warning(
        "audience",
        "no audience is bound: a token that was shown to anybody else logs in here",
        "set `boundAudiences` to a name that only this identity has",
    )
}

const KEY_FIX: &str = "take a token whose `kid` is that of a key which the issuer publishes now";

fn verify_with_any(token: &UnverifiedJwt, keys: &KeySet, expected: Expected<'_>, now: Timestamp) -> Checked<Claims> {
    let why = |seen: &str| {
        let fix = "let the issuer put the `kid` of a published key into the header";
        Refused::unauthorized(&Why { clause: "key", seen, wanted: "a `kid` in the header", fix }, seen)
    };
    if keys.is_empty() {
        return Err(why("Access denied: No signing keys available from OIDC provider's JWKS endpoint."));
    }
    if keys.len() > MAX_KEYS {
        let count = keys.len();
        return Err(why(&format!(
            "Access denied: OIDC provider has {count} signing keys. Tokens must include 'kid' header when provider has \
             more than {MAX_KEYS} keys."
        )));
    }
    token::verify(token, keys, expected, now).map_err(|thrown| {
        let text =
            format!("Access denied: Unable to verify JWT signature with any available signing key. {}", thrown.text);
        Refused::unauthorized(&thrown.why(), text)
    })
}

fn keys(seen: &str, wanted: &str, text: impl Into<String>) -> Box<Refused> {
    let fix = "make the issuer's documents reachable from the server, with a certificate that it trusts (`caCert`)";
    Refused::unauthorized(&Why { clause: "keys", seen, wanted, fix }, text)
}

fn malformed() -> Box<Refused> {
    let why = Why { clause: "form", seen: "no JWT", wanted: "a signed JWT", fix: FORM_FIX };
    Refused::unauthorized(&why, "Invalid JWT")
}

pub(super) fn missing(clause: &'static str, name: &str) -> Box<Refused> {
    let seen = format!("no {name}");
    let fix = "let the issuer put the claim into the token; `false`, `0` and an empty text count as none there";
    let why = Why { clause, seen: &seen, wanted: name, fix };
    Refused::unauthorized(&why, format!("Access denied: token has no {name} field"))
}

fn unbound(unbound: Unbound) -> Box<Refused> {
    match unbound {
        Unbound::Missing(name) => missing("claim-missing", &name),
        Unbound::Differs { name, seen, wanted } => {
            let seen = format!("{name} {seen}");
            let why = Why { clause: "bound-claims", seen: &seen, wanted: &wanted, fix: BOUND_FIX };
            Refused::unauthorized(&why, "Access denied: OIDC claim not allowed.")
        }
    }
}

pub(super) const BOUND_FIX: &str =
    "compare the claim with `boundClaims`: case and every character count, and `*` does not stand for `/`";
