//! Who logs in to somebody else with a signed request.
//!
//! The caller signs a read that does nothing and shows the headers in place of sending it. The relying party rebuilds the
//! request itself, so that nothing but the signature comes from the caller: [`LoginTrust::read`]. Then Oracle answers that very
//! request, or the key set of the auth service proves the session token in it; and [`LoginTrust::admit`] says who it is.
//!
//! Vault ("OCI auth method") and Infisical ("OCI Auth") take logins of this kind. What they leave open and this does not:
//! another host, another path, another signer than the user that is claimed, a request that was made for somebody else.

use std::{fmt, sync::Arc};

use carnet_trust::{Decision, Grant};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::{
    Checked, Principal,
    signature::{KeyId, SeenTokens, parse_authorization, refuse},
};

mod admit;
mod host;
mod ocid;
mod read;

pub use admit::{Capabilities, Proved, User};
pub use ocid::Ocid;

/// The header in which a caller says whom the request is for: the URL of the relying party, or that and `#RULE`.
pub const AUDIENCE_HEADER: &str = "x-carnet-audience";
/// A header that makes two requests of one second different. RSA signs the same text the same way.
pub const NONCE_HEADER: &str = "x-carnet-nonce";
/// The path of "get user" before the OCID.
pub const USERS_PATH: &str = "/20160918/users/";
/// The path of "get namespace", which needs no permission (Object Storage policy reference).
pub const NAMESPACE_PATH: &str = "/n/";
/// What a subject of another issuer begins with. Without it somebody who may name external subjects could be named as an
/// OCID.
pub const EXTERNAL_PREFIX: &str = "external:";
/// Largest login that is read, in bytes: a session token has some 2 KB.
const MAX_LOGIN: usize = 64 * 1024;

/// A login as the caller shows it. Members that are not known, or are there twice, are refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// OCID of the user who logs in. With a request for the identity service it must be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What was signed.
    pub headers: SignedHeaders,
}

/// The headers of a signed request, by their names in lower case.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHeaders {
    /// The signature, and for a session its token.
    pub authorization: String,
    /// Whom it was signed for.
    pub host: String,
    /// When; this or `x-date`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// When, from clients that cannot set `date`.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "x-date")]
    pub x_date: Option<String>,
    /// [`AUDIENCE_HEADER`].
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "x-carnet-audience")]
    pub audience: Option<String>,
    /// [`NONCE_HEADER`].
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "x-carnet-nonce")]
    pub nonce: Option<String>,
}

/// What a relying party takes.
#[derive(Clone, Copy, Debug)]
pub struct LoginTrust<'a> {
    /// OCID of the tenancy.
    pub tenancy: &'a str,
    /// Identifiers of the regions whose services may have been meant; all of the tenancy's realm when empty.
    pub regions: &'a [String],
    /// How far the date may lie from the clock, either way; [`super::signature::MAX_SKEW`] at most.
    pub window: SignedDuration,
    /// The URL of the relying party, as [`AUDIENCE_HEADER`] has it.
    pub audience: &'a str,
    /// The relying party's own names as in `host`, with the port unless it is that of the scheme.
    pub own_hosts: &'a [String],
    /// The path of its login.
    pub own_path: &'a str,
}

/// Which request was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// GET of the relying party's own login: nobody else would answer it.
    Own,
    /// "Get user" of the identity service.
    User,
    /// "Get namespace" of Object Storage.
    Namespace,
}

/// A login whose form is right: the request rebuilt, and who is said to have signed it.
#[derive(Clone)]
pub struct Read {
    /// Which request it is.
    pub form: Form,
    /// Where it goes.
    pub url: Url,
    /// Exactly the headers that were signed, and `authorization`.
    pub headers: HeaderMap,
    /// Who is said to have signed.
    pub principal: Principal,
    /// The session token, when there is one. Its key has signed this request; whether the auth service has signed the token is
    /// open.
    pub token: Option<carnet_core::Secret>,
    /// Which key of the auth service is to have signed the session token.
    pub kid: Option<Arc<str>>,
    /// The fingerprint of the API key, when it is one.
    pub fingerprint: Option<String>,
    /// The date that was signed.
    pub date: Timestamp,
    /// Whom it was made for: the URL of the relying party, or `https://HOST` when it does not say.
    pub audience: String,
    /// The one rule that it was made for.
    pub rule: Option<String>,
    /// The signature.
    pub signature: Vec<u8>,
}

impl Login {
    /// Reads a login.
    ///
    /// # Errors
    /// Clause `request`; nothing of the text is in it.
    pub fn parse(json: &[u8]) -> Checked<Self> {
        let fix = "send {\"user\": …, \"headers\": {\"authorization\": …, \"host\": …, \"date\": …}}, each once and no others";
        if json.len() > MAX_LOGIN {
            return Err(refuse("request", format!("{} bytes", json.len()), format!("at most {MAX_LOGIN}"), fix));
        }
        // serde_json's message can quote a value, so only the place is kept.
        serde_json::from_slice(json).map_err(|error| {
            let place = format!("something else at line {} column {}", error.line(), error.column());
            refuse("request", place, "a login", fix)
        })
    }

    /// The tenancy that the signer is said to be of: for finding what is trusted, and for nothing else. `tokens` remembers what was read.
    ///
    /// # Errors
    /// Clause `authorization`, `key`, `token` or `expired`.
    pub fn claimed_tenancy(&self, tokens: &SeenTokens, now: Timestamp) -> Checked<String> {
        let parsed = parse_authorization(&self.headers.authorization).map_err(|error| {
            refuse("authorization", error.to_string(), "Signature version=\"1\",…", "send the header as it was signed")
        })?;
        match parsed.key_id {
            KeyId::ApiKey { tenancy, .. } => Ok(tenancy.to_owned()),
            KeyId::Session(token) => Ok(tokens.read(token, now)?.signer.principal.tenancy.clone()),
            KeyId::Resource { .. } | KeyId::X509 { .. } => Err(other_key()),
        }
    }
}

/// The answer with all reasons: what `doctor` and tests ask.
pub fn evaluate(trust: &LoginTrust<'_>, login: &Login, proved: &Proved<'_>, now: Timestamp) -> Decision {
    let claims = trust.read(login, &SeenTokens::default(), now).and_then(|read| trust.admit(&read, proved));
    let claims: Map<String, Value> = match claims {
        Ok(claims) => claims,
        Err(refusal) => return Decision::Refuse(*refusal),
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Decision::Allow(Grant {
        principal: claims.get("sub").map(text).unwrap_or_default(),
        attributes: claims.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        held: vec!["headers", "host", "signed-headers", "audience", "date", "tenancy", "signer", "user"],
        ..Grant::default()
    })
}

fn other_key() -> Box<carnet_trust::Refusal> {
    refuse(
        "key",
        "the key of a resource or of a certificate",
        "the API key of a user, or a session token",
        "exchange it for a session token at the auth service first, as the SDKs do",
    )
}

impl fmt::Debug for SignedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedHeaders").field("host", &self.host).finish_non_exhaustive()
    }
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("form", &self.form).field("principal", &self.principal.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
