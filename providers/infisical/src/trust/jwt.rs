//! JWT: a token that keys verify which the method names itself (`identity-jwt-auth-service.ts`).

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Mistake, Secret};
use carnet_jose::{Claims, KeySet, PublicKey};
use carnet_trust::Warning;
use carnet_x509::Certificate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Checked, Pattern, Proven, Refused, TokenSettings,
    claims::{self, Unbound},
    oidc::{BOUND_FIX, audience_fits, missing, no_audience},
    refused::Why,
    shown,
    token::{self, Expected, FORM_FIX},
    warning,
};

/// Where the keys come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JwtConfiguration {
    /// A key set at an address, fetched at every login.
    #[default]
    Jwks,
    /// Keys that are written down.
    Static,
}

/// `jwt-auth`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JwtAuth {
    /// Life, uses and networks of its tokens.
    #[serde(flatten)]
    pub token: TokenSettings,
    /// Where the keys come from.
    pub configuration_type: JwtConfiguration,
    /// Where the key set is.
    pub jwks_url: String,
    /// Roots for it (PEM).
    pub jwks_ca_cert: String,
    /// Public keys or certificates (PEM), tried in order.
    pub public_keys: Vec<String>,
    /// What `iss` must be. Empty: not looked at.
    pub bound_issuer: String,
    /// Patterns for `aud`, separated by `, `. Empty: not looked at.
    pub bound_audiences: String,
    /// Patterns for claims that are texts.
    pub bound_claims: BTreeMap<String, String>,
    /// Pattern for `sub`. Empty: not looked at.
    pub bound_subject: String,
}

impl JwtAuth {
    /// What a write checks: keys that are written down must be keys.
    ///
    /// # Errors
    /// The first mistake.
    pub fn check(&self) -> Result<(), Mistake> {
        match self.configuration_type {
            JwtConfiguration::Jwks if self.jwks_url.is_empty() => Err(Mistake::new("jwksUrl", "JWKS URL is required")),
            JwtConfiguration::Static if self.public_keys.is_empty() => {
                Err(Mistake::new("publicKeys", "Static public keys are required"))
            }
            JwtConfiguration::Jwks => Ok(()),
            JwtConfiguration::Static => self.own_keys().map(drop),
        }
    }

    /// The keys that are written down.
    ///
    /// # Errors
    /// The first that is none.
    pub fn own_keys(&self) -> Result<KeySet, Mistake> {
        let parse = |pem: &String| {
            public_key(pem).ok_or_else(|| {
                Mistake::new("publicKeys", "is not a public key or certificate in PEM").hint("RSA, ECDSA or Ed25519")
            })
        };
        self.public_keys.iter().map(parse).collect()
    }

    /// The key set could not be had: nobody catches that.
    pub fn unfetched(&self, why: &str) -> Box<Refused> {
        let fix = "make the key set reachable from the server, with a certificate that it trusts (`jwksCaCert`)";
        Refused::broken(&Why { clause: "keys", seen: why, wanted: &self.jwks_url, fix })
    }

    /// Whether this token logs in. `fetched` is the key set at the address; a method with keys of its own uses those.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, token: &Secret, fetched: &KeySet, now: Timestamp) -> Checked<Proven> {
        let claims = self.verify(token, fetched, now)?;
        let mut held = vec!["signature", "expired"];
        self.check_issuer(&claims)?;
        held.push("issuer");
        self.check_subject(&claims)?;
        held.push("subject");
        self.check_audience(&claims)?;
        held.push("audience");
        self.check_claims(&claims)?;
        held.push("bound-claims");
        let warnings = token::lint(&claims);
        Ok(Proven { principal: shown(claims.str("sub")), held, warnings, ..Proven::default() })
    }

    fn verify(&self, token: &Secret, fetched: &KeySet, now: Timestamp) -> Checked<Claims> {
        let Some(token) = token::decode(token) else {
            let why = Why { clause: "form", seen: "no JWT", wanted: "a signed JWT", fix: FORM_FIX };
            return Err(Refused::unauthorized(&why, "Invalid JWT"));
        };
        if self.configuration_type == JwtConfiguration::Static {
            let own = self.own_keys().unwrap_or_default();
            return token::verify(&token, &own, Expected::default(), now).map_err(|thrown| {
                let text = format!("Access denied: JWT verification failed with all keys. Errors - {}", thrown.text);
                Refused::unauthorized(&thrown.why(), text)
            });
        }
        // A lookup by id that finds nothing throws, and so does one without an id among several keys.
        let named = match token.unverified_kid() {
            Some(kid) => token::by_kid(fetched, kid),
            None if fetched.len() == 1 => fetched.clone(),
            None => KeySet::default(),
        };
        if named.is_empty() {
            let seen = shown(token.unverified_kid());
            let fix = "take a token whose `kid` is that of a key in the set";
            return Err(Refused::broken(&Why {
                clause: "key",
                seen: &seen,
                wanted: "the id of a key in the set",
                fix,
            }));
        }
        token::verify(&token, &named, Expected::default(), now)
            .map_err(|thrown| Refused::unauthorized(&thrown.why(), format!("Access denied: {}", thrown.text)))
    }

    fn check_issuer(&self, claims: &Claims) -> Checked<()> {
        let wanted = &self.bound_issuer;
        let seen = claims.str("iss");
        if wanted.is_empty() || seen == Some(wanted.as_str()) {
            return Ok(());
        }
        let fix = "set `boundIssuer` to the claim `iss`, character by character; a slash at the end counts";
        let why = Why { clause: "issuer", seen: &shown(seen), wanted, fix };
        Err(Refused::forbidden(&why, "Access denied: issuer mismatch"))
    }

    fn check_subject(&self, claims: &Claims) -> Checked<()> {
        let wanted = &self.bound_subject;
        if wanted.is_empty() {
            return Ok(());
        }
        let Some(seen) = claims.str("sub").filter(|seen| !seen.is_empty()) else {
            return Err(missing("subject", "subject"));
        };
        if Pattern::new(wanted).accepts(seen) {
            return Ok(());
        }
        let fix = "compare `boundSubject` with the claim `sub`: `*` does not stand for `/` there";
        let why = Why { clause: "subject", seen: &shown(Some(seen)), wanted, fix };
        Err(Refused::forbidden(&why, "Access denied: subject not allowed"))
    }

    fn check_audience(&self, claims: &Claims) -> Checked<()> {
        let wanted = &self.bound_audiences;
        let seen = claims.audiences();
        if !wanted.is_empty() && seen.iter().all(|seen| seen.is_empty()) {
            return Err(missing("audience", "audience"));
        }
        if audience_fits(wanted, &seen) {
            return Ok(());
        }
        let fix = "ask the issuer for a token with a wanted audience, or add the one seen to `boundAudiences`";
        let why = Why { clause: "audience", seen: &shown(Some(&seen.join(", "))), wanted, fix };
        Err(Refused::unauthorized(&why, "Access denied: token audience not allowed"))
    }

    /// Only texts match here; a number that is bound never does.
    fn check_claims(&self, claims: &Claims) -> Checked<()> {
        claims::check(claims, &self.bound_claims).map_err(|unbound| match unbound {
            Unbound::Missing(name) => missing("claim-missing", &name),
            Unbound::Differs { name, seen, wanted } => mismatch(&name, &seen, &wanted),
        })?;
        for (name, wanted) in &self.bound_claims {
            if let Some(value) = claims::at_path(claims, name).filter(|value| !matches!(value, Value::String(_))) {
                return Err(mismatch(name, &carnet_core::safe_text(&value.to_string()), wanted));
            }
        }
        Ok(())
    }

    /// What there is to say against a method that works.
    pub fn lint(&self) -> Vec<Warning> {
        let mut warnings = self.token.lint();
        if self.bound_issuer.is_empty() {
            let message = "`iss` is not compared: whoever has one of the keys speaks for every issuer";
            warnings.push(warning("issuer", message, "set `boundIssuer`"));
        }
        if self.bound_audiences.is_empty() {
            warnings.push(no_audience());
        }
        warnings.extend(claims::lint(&self.bound_issuer, &self.bound_subject, &self.bound_claims));
        if self.configuration_type == JwtConfiguration::Jwks {
            if self.jwks_url.starts_with("http://") {
                warnings.push(warning("keys", "keys are fetched without TLS", "use an https address"));
            } else if self.jwks_ca_cert.is_empty() {
                let message =
                    "servers to early 2026 do not verify the certificate of the key set when `jwksCaCert` is empty";
                warnings.push(warning("keys", message, "set `jwksCaCert`, or use static keys or OIDC"));
            }
        }
        warnings
    }
}

fn mismatch(name: &str, seen: &str, wanted: &str) -> Box<Refused> {
    let seen = format!("{name} {seen}");
    let why = Why { clause: "bound-claims", seen: &seen, wanted, fix: BOUND_FIX };
    Refused::unauthorized(&why, format!("Access denied: claim mismatch for field {name}"))
}

/// The key in a PEM block, its own or that of a certificate.
fn public_key(pem: &str) -> Option<PublicKey> {
    let block = |label: &str| {
        let body = pem.split_once(&format!("-----BEGIN {label}-----"))?.1;
        let body = body.split_once(&format!("-----END {label}-----"))?.0;
        let base64: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        STANDARD.decode(base64).ok()
    };
    if let Some(der) = block("PUBLIC KEY") {
        return PublicKey::from_spki(&der).ok();
    }
    Certificate::from_der(&block("CERTIFICATE")?).ok()?.public_key().ok()
}
