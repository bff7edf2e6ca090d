//! Infisical's refusals: the clause that failed as far as status and text tell, and the fix.
//!
//! Infisical has a status, the name of an error and a text. A part that does not vary tells the clause; the texts are those of
//! Infisical/infisical, `backend/src/services/identity-*-auth` (2025 to 2026-09). The clauses are those of [`crate::trust`],
//! which decides the same questions. The code of an error is its name, for instance `UnauthorizedError`.

use carnet_core::{Credential, Error, ErrorKind, Material, Response, Secret, safe_text, without_echo};
use http::StatusCode;
use serde_json::Value;

use crate::{config::Method, exchange::fact};

mod hints;

/// What was attempted, for the hints.
#[derive(Debug, Default)]
pub(crate) struct Attempt<'a> {
    /// With what, at a login.
    pub(crate) method: Option<Method>,
    pub(crate) identity: Option<&'a str>,
    /// `aud`, `iss` and `sub` of the token that was shown, if known.
    pub(crate) audience: Option<&'a str>,
    pub(crate) issuer: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    /// What was sent and must not come back in an error.
    sent: Vec<&'a Secret>,
}

impl<'a> Attempt<'a> {
    /// A login with this credential.
    pub(crate) fn login(method: Method, identity: Option<&'a str>, shown: &'a Credential) -> Self {
        let fact = |name: &str| shown.facts.get(name).map(String::as_str);
        Self {
            method: Some(method),
            identity,
            audience: fact("audience"),
            issuer: fact("issuer"),
            subject: fact("subject"),
            sent: sent(shown),
        }
    }

    /// A call with the token of a login.
    pub(crate) fn with_token(token: &'a Credential) -> Self {
        let identity = token.facts.get(fact::IDENTITY).map(String::as_str);
        Self { identity, sent: sent(token), ..Self::default() }
    }
}

fn sent(credential: &Credential) -> Vec<&Secret> {
    match &credential.material {
        Material::AccessToken(access) => vec![&access.token],
        Material::Jwt(token) => vec![token],
        Material::AwsKeys(keys) => keys.session_token.iter().collect(),
        Material::OciApiKey(_) | Material::OciSession(_) | Material::X509(_) => Vec::new(),
    }
}

struct Known {
    text: &'static str,
    clause: &'static str,
    kind: ErrorKind,
}

const fn known(text: &'static str, clause: &'static str, kind: ErrorKind) -> Known {
    Known { text, clause, kind }
}

/// Texts by a part that does not vary, in lower case, most telling first.
const CATALOGUE: [Known; 51] = [
    known("auth method not found for identity", "method", ErrorKind::Refused),
    known("from the current ip address", "address", ErrorKind::Policy),
    known("temporarily locked", "locked", ErrorKind::Refused),
    known("invalid credentials", "secret", ErrorKind::Refused),
    known("expired client secret", "expired", ErrorKind::Expired),
    known("usage limit reached", "uses", ErrorKind::Refused),
    known("exhausted access token", "uses", ErrorKind::Refused),
    known("number of uses limit", "uses", ErrorKind::Refused),
    known("max ttl", "max-ttl", ErrorKind::Expired),
    known("exceeded max age", "expired", ErrorKind::Expired),
    known("revoked", "revoked", ErrorKind::Refused),
    known("your token has expired", "expired", ErrorKind::Expired),
    known("jwt expired", "expired", ErrorKind::Expired),
    known("jwt-svid has expired", "expired", ErrorKind::Expired),
    known("service account token has expired", "expired", ErrorKind::Expired),
    known("jwt not active", "not-yet", ErrorKind::Expired),
    known("failed to fetch oidc discovery", "keys", ErrorKind::Refused),
    known("does not contain a jwks_uri", "keys", ErrorKind::Refused),
    known("failed to retrieve signing key", "keys", ErrorKind::Refused),
    known("failed to fetch spiffe trust bundle", "keys", ErrorKind::Refused),
    known("no signing keys available", "keys", ErrorKind::Refused),
    known("was not found in the oidc provider's jwks", "key", ErrorKind::Refused),
    known("must include 'kid'", "key", ErrorKind::Refused),
    known("invalid signing key", "key", ErrorKind::Refused),
    known("jwt issuer invalid", "issuer", ErrorKind::Refused),
    known("issuer mismatch", "issuer", ErrorKind::Refused),
    known("audience", "audience", ErrorKind::Refused),
    known("jwt-svid verification failed", "key", ErrorKind::Refused),
    known("signature", "signature", ErrorKind::Refused),
    known("subject not allowed", "subject", ErrorKind::Policy),
    known("no subject field", "subject", ErrorKind::Refused),
    known("claim not allowed", "bound-claims", ErrorKind::Policy),
    known("claim mismatch", "bound-claims", ErrorKind::Policy),
    known("access denied: token has no", "claim-missing", ErrorKind::Policy),
    known("namespace not allowed", "namespace", ErrorKind::Policy),
    known("k8s name not allowed", "name", ErrorKind::Policy),
    known("kubernetes token not authenticated", "review", ErrorKind::Refused),
    known("account id not allowed", "account", ErrorKind::Policy),
    known("principal arn not allowed", "principal", ErrorKind::Policy),
    known("service account not allowed", "service-account", ErrorKind::Policy),
    known("invalid service account identifier", "service-account", ErrorKind::Refused),
    known("gcp project not allowed", "project", ErrorKind::Policy),
    known("gcp zone not allowed", "zone", ErrorKind::Policy),
    known("tenant id mismatch", "tenant", ErrorKind::Refused),
    known("service principal", "principal", ErrorKind::Policy),
    known("isn't part of tenancy", "tenancy", ErrorKind::Policy),
    known("account username not allowed", "user-name", ErrorKind::Policy),
    known("invalid oci host format", "host", ErrorKind::Refused),
    known("invalid aws region", "region", ErrorKind::Refused),
    known("sub organization", "organization", ErrorKind::Refused),
    known("invalid jwt", "form", ErrorKind::Refused),
];

/// The text of an answer, safe to show: `message`, or the messages of a list (422). What is not there is empty.
pub fn parse_message(body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return String::new() };
    message(&body).map(|text| safe_text(&text)).unwrap_or_default()
}

fn message(body: &Value) -> Option<String> {
    match body.get("message")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(issues) => {
            let text = |issue: &Value| {
                let path = issue.get("path").and_then(Value::as_array).into_iter().flatten();
                let path = path.filter_map(Value::as_str).collect::<Vec<_>>().join(".");
                let text = issue.get("message")?.as_str()?;
                Some(if path.is_empty() { text.to_owned() } else { format!("{path}: {text}") })
            };
            Some(issues.iter().filter_map(text).collect::<Vec<_>>().join("; "))
        }
        _ => None,
    }
}

/// A refusal of `what`.
pub(crate) fn refusal(response: &Response, what: &str, attempt: &Attempt<'_>) -> Error {
    let body = serde_json::from_slice::<Value>(response.body.expose()).unwrap_or_default();
    let said = message(&body).unwrap_or_default();
    let said = safe_text(&without_echo(&said, &attempt.sent));
    let name = body.get("error").and_then(Value::as_str).unwrap_or_default();
    let name = safe_text(&without_echo(name, &attempt.sent));
    if let Some(error) = not_an_answer(response, what, &said, &name, attempt) {
        return error;
    }
    let lower = said.to_lowercase();
    let by_text = CATALOGUE.iter().find(|known| lower.contains(known.text));
    let (clause, kind) = match (by_text, response.status) {
        (Some(known), _) => (known.clause, known.kind),
        // The words are those of the cluster's own API server.
        (None, _) if name == "KubernetesTokenReviewError" => ("review", ErrorKind::Refused),
        (None, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::BAD_REQUEST) => ("request", ErrorKind::Refused),
        (None, StatusCode::FORBIDDEN) if name == "TokenError" => ("token", ErrorKind::Refused),
        (None, StatusCode::FORBIDDEN) => ("permission", ErrorKind::Policy),
        (None, StatusCode::NOT_FOUND) => ("path", ErrorKind::Refused),
        (None, _) if attempt.method.is_some() => ("proof", ErrorKind::Refused),
        (None, _) => ("token", ErrorKind::Refused),
    };
    let error = base(kind, what, &said, &name).clause(clause);
    hints::of(clause, attempt).into_iter().fold(error, Error::hint)
}

/// What is no refusal: overload, an upstream that failed, or somebody else who answers.
fn not_an_answer(response: &Response, what: &str, said: &str, name: &str, attempt: &Attempt<'_>) -> Option<Error> {
    let status = response.status;
    let error = || base(ErrorKind::Unreachable, &format!("{what}: HTTP {}", status.as_u16()), said, name);
    if status.is_redirection() {
        return Some(error().clause("redirect").hint(
            "the address leads elsewhere: name the server itself in `address`; carnet takes no token to another address than yours",
        ));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Some(
            error().clause("quota").hint("a rate limit of the server is used up; the same request may succeed later"),
        );
    }
    if status.is_server_error() {
        // A signature that AWS or Oracle does not take is answered like an outage there.
        return Some(match attempt.method {
            Some(method) => hints::upstream(method).into_iter().fold(error().clause("upstream"), Error::hint),
            None => error().hint("the server is busy or broken; the same request may succeed later"),
        });
    }
    (said.is_empty() && name.is_empty()).then(|| {
        Error::unreachable(format!("{what}: HTTP {} without an error text", status.as_u16()))
            .hint("this is not how Infisical answers: check the address, and whether a proxy stands in between")
    })
}

fn base(kind: ErrorKind, what: &str, said: &str, name: &str) -> Error {
    let said = if said.is_empty() { "no error text" } else { said };
    let error = Error::new(kind, what).because(Error::new(kind, said));
    if name.is_empty() { error } else { error.code(name) }
}

#[cfg(test)]
mod tests;
