//! Tokens, good and broken.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::Error;
use carnet_jose::SigningKey;
use carnet_sandbox_kit::World;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{github, gitlab, keys::KeyRing};

/// Whose token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Issuer {
    /// GitHub Actions.
    Github,
    /// GitLab.
    Gitlab,
}

impl Issuer {
    /// The name of its service in the sandbox.
    pub const fn service(self) -> &'static str {
        match self {
            Self::Github => "ci-github",
            Self::Gitlab => "ci-gitlab",
        }
    }
}

/// What is wrong with a token, one thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// The header says `none` and there is no signature.
    AlgNone,
    /// Signed with ES256 under the `kid` of the RSA key.
    Es256,
    /// It ended an hour ago.
    Expired,
    /// The header has no `kid`.
    NoKid,
    /// It counts from an hour from now.
    NotYet,
    /// A claim was changed after the signature.
    Tampered,
    /// Signed with a key that is in no key set, under its own `kid`.
    UnknownKid,
    /// Signed with a key that is in no key set, under the `kid` of the right one.
    WrongKey,
}

/// A token to make.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintRequest {
    /// Whose.
    pub issuer: Issuer,
    /// `aud`. By default what the system puts when nobody asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Claims that are added or replaced; `null` takes one away.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<Flaw>,
}

impl MintRequest {
    /// A good token of this issuer for this audience.
    pub fn new(issuer: Issuer, audience: impl Into<String>) -> Self {
        Self { issuer, audience: Some(audience.into()), claims: Map::new(), flaw: None }
    }

    /// Adds or replaces a claim; `null` takes it away.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Breaks it.
    #[must_use]
    pub fn flaw(mut self, flaw: Flaw) -> Self {
        self.flaw = Some(flaw);
        self
    }
}

/// How far [`Flaw::Expired`] and [`Flaw::NotYet`] move the times, in seconds: more than anybody's tolerance.
const FAR: i64 = 7_200;

pub(crate) fn mint(keys: &KeyRing, request: &MintRequest, now: Timestamp, world: &World) -> Result<String, Error> {
    let moved = match request.flaw {
        Some(Flaw::Expired) => -FAR,
        Some(Flaw::NotYet) => FAR,
        _ => 0,
    };
    let issued = now.as_second().saturating_add(moved);
    let mut claims = match request.issuer {
        Issuer::Github => github::claims(request.audience.as_deref(), issued, world),
        Issuer::Gitlab => gitlab::claims(request.audience.as_deref(), issued, world),
    };
    for (name, value) in &request.claims {
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
    let active = keys.active()?;
    let kid = active.kid().map(ToOwned::to_owned);
    let right = |alg: &str| json!({ "typ": "JWT", "alg": alg, "kid": kid });
    let compact = match request.flaw {
        Some(Flaw::AlgNone) => unsigned(&json!({ "typ": "JWT", "alg": "none" }), &claims) + ".",
        Some(Flaw::Es256) => signed(&right("ES256"), &claims, &*keys.stranger_ec()?)?,
        Some(Flaw::NoKid) => signed(&json!({ "typ": "JWT", "alg": "RS256" }), &claims, &active)?,
        Some(Flaw::Tampered) => tampered(&signed(&right("RS256"), &claims, &active)?, claims),
        Some(Flaw::UnknownKid) => {
            let stranger = keys.stranger()?;
            signed(&json!({ "typ": "JWT", "alg": "RS256", "kid": stranger.kid() }), &claims, &stranger)?
        }
        Some(Flaw::WrongKey) => signed(&right("RS256"), &claims, &*keys.stranger()?)?,
        Some(Flaw::Expired | Flaw::NotYet) | None => signed(&right("RS256"), &claims, &active)?,
    };
    Ok(compact)
}

fn unsigned(header: &Value, claims: &Map<String, Value>) -> String {
    let encode = |json: String| URL_SAFE_NO_PAD.encode(json);
    format!("{}.{}", encode(header.to_string()), encode(Value::Object(claims.clone()).to_string()))
}

fn signed(header: &Value, claims: &Map<String, Value>, key: &SigningKey) -> Result<String, Error> {
    let message = unsigned(header, claims);
    let signature = key.sign(message.as_bytes())?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Another subject under the same signature.
fn tampered(token: &str, mut claims: Map<String, Value>) -> String {
    claims.insert("sub".to_owned(), json!("repo:attacker/app:ref:refs/heads/main"));
    let payload = URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string());
    let mut parts = token.split('.');
    let (header, signature) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
    format!("{header}.{payload}.{signature}")
}
