//! Bodies of Vault's API ("Vault HTTP API", "Response wrapping", "KV secrets engine").

use std::collections::BTreeMap;

use carnet_core::{Secret, check_token};
use serde::Deserialize;
use serde_json::Value;

/// What a login gives.
#[derive(Clone, Debug)]
pub enum Issued {
    /// The token itself.
    Auth(Auth),
    /// A token for which the answer can be had once.
    Wrapped(Wrapped),
}

/// The part `auth` of an answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Auth {
    /// The token. Opaque, of any length.
    pub client_token: Secret,
    /// Its accessor: names it without being it. Empty for a batch token.
    #[serde(default)]
    pub accessor: Option<String>,
    /// Union of the policies of token and identity.
    #[serde(default)]
    pub policies: Option<Vec<String>>,
    /// Seconds until it ends. 0: it has no end.
    #[serde(default)]
    pub lease_duration: i64,
    /// Whether it can be renewed.
    #[serde(default)]
    pub renewable: bool,
    /// The entity behind it.
    #[serde(default)]
    pub entity_id: Option<String>,
    /// `service` or `batch`.
    #[serde(default)]
    pub token_type: Option<String>,
    /// Metadata, such as `role`.
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, String>>,
}

/// The part `wrap_info` of an answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Wrapped {
    /// The token that unwraps. It works once.
    pub token: Secret,
    /// Its accessor.
    #[serde(default)]
    pub accessor: Option<String>,
    /// Seconds until it ends.
    pub ttl: i64,
    /// The path whose answer is wrapped. Whoever unwraps compares it: another path means that somebody put another answer in.
    pub creation_path: String,
    /// The accessor of the token inside.
    #[serde(default)]
    pub wrapped_accessor: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    auth: Option<Auth>,
    #[serde(default)]
    wrap_info: Option<Wrapped>,
    #[serde(default)]
    data: Option<Value>,
}

/// Reads the answer to a login or a renewal.
///
/// # Errors
/// What is wrong with it, without quoting it.
pub fn parse_issued(body: &[u8]) -> Result<Issued, &'static str> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|_quoting| "it is not the JSON of a login")?;
    match (envelope.auth, envelope.wrap_info) {
        (Some(auth), _) if auth.client_token.is_empty() => Err("the token is empty"),
        (Some(auth), _) if check_token(&auth.client_token).is_err() => {
            Err("the token is not one word of visible ASCII")
        }
        (Some(auth), _) if auth.lease_duration < 0 => Err("the life of the token is negative"),
        (Some(auth), _) => Ok(Issued::Auth(auth)),
        (None, Some(wrapped)) if wrapped.token.is_empty() => Err("the wrapping token is empty"),
        (None, Some(wrapped)) if check_token(&wrapped.token).is_err() => {
            Err("the wrapping token is not one word of visible ASCII")
        }
        (None, Some(wrapped)) if wrapped.ttl <= 0 => Err("the wrapping token is over"),
        (None, Some(wrapped)) => Ok(Issued::Wrapped(wrapped)),
        (None, None) => Err("it has neither `auth` nor `wrap_info`"),
    }
}

/// The members of a secret: `data` of KV v1, or `data.data` of KV v2 when `nested`.
///
/// # Errors
/// What is wrong with it, without quoting it.
pub fn parse_secret(body: &[u8], nested: bool) -> Result<serde_json::Map<String, Value>, &'static str> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|_quoting| "it is not the JSON of a secret")?;
    let data = envelope.data.ok_or("it has no `data`")?;
    let data = if nested { data.get("data").cloned() } else { Some(data) };
    match data {
        Some(Value::Object(members)) => Ok(members),
        Some(Value::Null) => Err("the version is deleted"),
        _ if nested => Err("there is no `data` in `data`, so the mount seems to be KV v1"),
        _ => Err("`data` is not an object"),
    }
}

/// `creation_path` of `sys/wrapping/lookup`.
pub(crate) fn parse_creation_path(body: &[u8]) -> Option<String> {
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    envelope.data?.get("creation_path")?.as_str().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The answer of a login, from "JWT/OIDC auth method (API), Login".
    const LOGIN: &str = r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":null,"wrap_info":null,"warnings":null,"auth":{"client_token":"hvs.x","accessor":"a","policies":["default"],"token_policies":["default"],"metadata":{"role":"app"},"lease_duration":3600,"renewable":true,"entity_id":"e","token_type":"service","orphan":true,"mfa_requirement":null,"num_uses":0}}"#;

    #[test]
    fn a_login_is_read() {
        let Ok(Issued::Auth(auth)) = parse_issued(LOGIN.as_bytes()) else { panic!("no auth") };
        assert_eq!((auth.client_token.expose(), auth.lease_duration, auth.renewable), ("hvs.x", 3600, true));
    }

    #[test]
    fn absent_parts_of_a_batch_token_may_be_null() {
        let body = r#"{"auth":{"client_token":"hvb.x","accessor":"","policies":null,"metadata":null,"lease_duration":60,"renewable":false,"entity_id":null,"token_type":"batch"}}"#;
        assert!(matches!(parse_issued(body.as_bytes()), Ok(Issued::Auth(auth)) if !auth.renewable));
    }

    #[test]
    fn a_wrapped_answer_is_read() {
        let body = r#"{"auth":null,"wrap_info":{"token":"hvs.w","accessor":"a","ttl":60,"creation_time":"2026-11-21T12:00:00Z","creation_path":"auth/jwt/login","wrapped_accessor":"b"}}"#;
        assert!(matches!(parse_issued(body.as_bytes()), Ok(Issued::Wrapped(wrapped)) if wrapped.ttl == 60));
    }

    #[test]
    fn rejects_answers_that_are_none() {
        for (body, wanted) in [
            ("<html>", "it is not the JSON of a login"),
            ("{}", "it has neither `auth` nor `wrap_info`"),
            (r#"{"auth":{"client_token":""}}"#, "the token is empty"),
            (r#"{"auth":{"client_token":"x\r\nX-Evil: 1"}}"#, "the token is not one word of visible ASCII"),
            (r#"{"auth":{"client_token":"x y"}}"#, "the token is not one word of visible ASCII"),
            (
                r#"{"wrap_info":{"token":"x\u0000","ttl":1,"creation_path":"x"}}"#,
                "the wrapping token is not one word of visible ASCII",
            ),
            (r#"{"auth":{"client_token":"x","lease_duration":-1}}"#, "the life of the token is negative"),
            (r#"{"wrap_info":{"token":"","ttl":1,"creation_path":"x"}}"#, "the wrapping token is empty"),
            (r#"{"wrap_info":{"token":"x","ttl":0,"creation_path":"x"}}"#, "the wrapping token is over"),
        ] {
            assert_eq!(parse_issued(body.as_bytes()).unwrap_err(), wanted, "{body}");
        }
    }

    #[test]
    fn secrets_of_both_versions_are_read() {
        let v1 = parse_secret(br#"{"data":{"k":"v"}}"#, false).unwrap();
        let v2 = parse_secret(br#"{"data":{"data":{"k":"v"},"metadata":{"version":1}}}"#, true).unwrap();
        assert_eq!((v1["k"].as_str(), v2["k"].as_str()), (Some("v"), Some("v")));
        assert_eq!(
            parse_secret(br#"{"data":{"data":null,"metadata":{}}}"#, true).unwrap_err(),
            "the version is deleted"
        );
        assert!(parse_secret(br#"{"data":{"k":"v"}}"#, true).unwrap_err().ends_with("KV v1"));
        assert_eq!(parse_secret(b"{}", false).unwrap_err(), "it has no `data`");
        assert_eq!(parse_secret(br#"{"data":[]}"#, false).unwrap_err(), "`data` is not an object");
    }

    fn is_word(token: &str) -> bool {
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse_issued(&body).is_err() && parse_creation_path(&body).is_none());
            prop_assert!(parse_secret(&body, false).is_err() && parse_secret(&body, true).is_err());
        }

        #[test]
        fn a_token_that_is_taken_is_there_and_has_not_ended(
            token in ".{0,8}", seconds in any::<i64>(), kind in "auth|wrap_info|data", member in "client_token|token",
        ) {
            let body = serde_json::json!({
                kind: { member: token, "lease_duration": seconds, "ttl": seconds, "creation_path": "x" }
            });
            match parse_issued(body.to_string().as_bytes()) {
                Ok(Issued::Auth(auth)) => prop_assert!(auth.client_token.expose() == token && is_word(&token) && seconds >= 0),
                Ok(Issued::Wrapped(inner)) => prop_assert!(inner.token.expose() == token && is_word(&token) && seconds > 0),
                Err(_) => {}
            }
        }
    }
}
