//! `iamcredentials.googleapis.com`: short-lived credentials of service accounts.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_gcp::trust::{Caller, Impersonation};
use carnet_jose::encode_jwt;
use carnet_trust::Decision;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    access,
    call::Call,
    reply::{self, Answer, ApiError, internal, ok, rpc, seconds},
    state::State,
    tokens::{self, Session},
};

/// The name of the service.
pub(crate) const SERVICE: &str = "gcp-iamcredentials";

/// The longest life of an access token, unless an organization policy lists the service account.
const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// How far ahead `exp` of a JWT to sign may lie.
const MAX_SIGNED_LIFETIME: SignedDuration = SignedDuration::from_hours(12);
/// How long an ID token lives.
const ID_TOKEN_LIFETIME: i64 = 3600;
/// Google's OIDC issuer.
pub(crate) const GOOGLE_ISSUER: &str = "https://accounts.google.com";

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let parts = call.parts();
    if call.method == Method::GET && parts.last() == Some(&"allowedLocations") && call.verb.is_none() {
        // "No restriction"; a background thread of the client libraries asks with the access token.
        access::caller(state, SERVICE, &call.headers, &[access::IAM])?;
        return Ok(ok(&json!({ "locations": [], "encodedLocations": "0x0" })));
    }
    let ["v1", "projects", project, "serviceAccounts", account] = parts.as_slice() else {
        return Err(rpc("NOT_FOUND", "Requested entity was not found."));
    };
    if call.method != Method::POST {
        return Err(rpc("NOT_FOUND", "Requested entity was not found."));
    }
    if *project != "-" {
        return Err(rpc("INVALID_ARGUMENT", "Invalid form of resource name: the project must be \"-\"."));
    }
    let (permission, fields, act): (&str, &[&str], fn(&Act<'_>) -> Answer) = match call.verb.as_deref() {
        Some("generateAccessToken") => {
            ("iam.serviceAccounts.getAccessToken", &["delegates", "lifetime", "scope"], generate_access_token)
        }
        Some("generateIdToken") => (
            "iam.serviceAccounts.getOpenIdToken",
            &["audience", "delegates", "includeEmail", "organizationNumberIncluded"],
            generate_id_token,
        ),
        Some("signBlob") => ("iam.serviceAccounts.signBlob", &["delegates", "payload"], sign_blob),
        Some("signJwt") => ("iam.serviceAccounts.signJwt", &["delegates", "payload"], sign_jwt),
        _ => return Err(rpc("NOT_FOUND", "Requested entity was not found.")),
    };
    let session = access::caller(state, SERVICE, &call.headers, &[access::IAM])?;
    let body = call.json()?;
    refuse_unknown(&body, fields)?;
    let email = impersonate(state, &session, permission, account, &body)?;
    act(&Act { state, call, body: &body, email: &email, now: state.world.now(SERVICE) })
}

/// Google's front end knows the fields of every message and refuses others. UNCONFIRMED that the names in snake case, which
/// protobuf takes as well, are taken here; they are refused.
fn refuse_unknown(body: &Value, fields: &[&str]) -> Result<(), ApiError> {
    let mut names = body.as_object().into_iter().flat_map(Map::keys);
    match names.find(|name| !fields.contains(&name.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            // The name comes from the client, so what is repeated of it is short and printable.
            let unknown: String = unknown.chars().filter(char::is_ascii_graphic).take(80).collect();
            let message = format!("Invalid JSON payload received. Unknown name \"{unknown}\": Cannot find field.");
            Err(rpc("INVALID_ARGUMENT", message))
        }
    }
}

/// What a permitted call works with.
struct Act<'a> {
    state: &'a State,
    call: &'a Call,
    body: &'a Value,
    email: &'a str,
    now: Timestamp,
}

fn impersonate(
    state: &State,
    session: &Session,
    permission: &str,
    account: &str,
    body: &Value,
) -> Result<String, ApiError> {
    let inner = state.lock();
    let delegates = match body.get("delegates") {
        // Python sends null when there are none.
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| {
                let name = name.as_str().and_then(|name| name.strip_prefix("projects/-/serviceAccounts/"));
                let name = name.ok_or_else(|| rpc("INVALID_ARGUMENT", "Invalid value at 'delegates'."))?;
                Ok(inner.account_email(name).unwrap_or_else(|| name.to_owned()))
            })
            .collect::<Result<Vec<String>, ApiError>>()?,
        Some(_) => return Err(rpc("INVALID_ARGUMENT", "Invalid value at 'delegates'.")),
    };
    // An account that is not there is refused like one that may not be used: 403, not 404.
    let target = inner.account_email(account).unwrap_or_else(|| account.to_owned());
    let question =
        Impersonation { caller: &session.caller, permission, target: &target, delegates: delegates.as_slice() };
    match question.evaluate(inner.policies()) {
        Decision::Allow(grant) => {
            state.world.decisions.allowed(SERVICE, &grant);
            Ok(target)
        }
        Decision::Refuse(refusal) => Err(reply::refused(Box::new(refusal))),
    }
}

fn generate_access_token(act: &Act<'_>) -> Answer {
    let scopes: Vec<String> = match act.body.get("scope") {
        // One that is no text becomes an empty one, which is refused.
        Some(Value::Array(scopes)) => {
            scopes.iter().map(|scope| scope.as_str().unwrap_or_default().to_owned()).collect()
        }
        _ => Vec::new(),
    };
    if scopes.is_empty() || scopes.iter().any(String::is_empty) {
        return Err(rpc("INVALID_ARGUMENT", "At least one scope is required."));
    }
    let lifetime = match act.body.get("lifetime") {
        None | Some(Value::Null) => MAX_LIFETIME,
        Some(Value::String(text)) => parse_lifetime(text).ok_or_else(|| {
            rpc("INVALID_ARGUMENT", "Invalid value at 'lifetime' (type.googleapis.com/google.protobuf.Duration).")
        })?,
        Some(_) => return Err(rpc("INVALID_ARGUMENT", "Invalid value at 'lifetime'.")),
    };
    if lifetime > MAX_LIFETIME {
        let message = "The access token lifetime cannot exceed 3600 seconds. If you need a longer lifetime, list the service \
                       account in the organization policy constraint constraints/iam.allowServiceAccountCredentialLifetimeExtension.";
        return Err(rpc("INVALID_ARGUMENT", message));
    }
    let lifetime = tokens::lifetime(&act.state.world, SERVICE, &act.call.raw_path, lifetime);
    let expires = act.now.saturating_add(lifetime).unwrap_or(act.now);
    let session = Session { caller: Caller::ServiceAccount(act.email.to_owned()), scopes, issued: act.now, expires };
    let token = act.state.lock().tokens.issue(&act.state.world, session);
    Ok(ok(&json!({ "accessToken": token.expose(), "expireTime": seconds(expires) })))
}

/// A `google.protobuf.Duration` in JSON: seconds, a fraction of up to nine digits, `s`. Only those above zero.
pub fn parse_lifetime(text: &str) -> Option<SignedDuration> {
    let number = text.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    let duration = SignedDuration::new(whole.parse().ok()?, nanos);
    duration.is_positive().then_some(duration)
}

fn generate_id_token(act: &Act<'_>) -> Answer {
    let Some(audience) = act.body.get("audience").and_then(Value::as_str).filter(|audience| !audience.is_empty())
    else {
        return Err(rpc("INVALID_ARGUMENT", "The audience is required."));
    };
    let flag = |name: &str| match act.body.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(rpc("INVALID_ARGUMENT", format!("Invalid value at '{name}' (TYPE_BOOL)."))),
    };
    flag("organizationNumberIncluded")?;
    let with_email = flag("includeEmail")?;
    let token = id_token(act.state, act.email, audience, act.now, |claims| {
        if !with_email {
            claims.retain(|name, _| !name.starts_with("email"));
        }
    })?;
    Ok(ok(&json!({ "token": token })))
}

/// An ID token of Google's for a service account, with its e-mail.
pub(crate) fn id_token(
    state: &State,
    email: &str,
    audience: &str,
    now: Timestamp,
    change: impl FnOnce(&mut Map<String, Value>),
) -> Result<String, ApiError> {
    let unique_id = state.lock().accounts.get(email).map(|account| account.unique_id.clone()).unwrap_or_default();
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    claim("aud", audience.into());
    claim("azp", unique_id.clone().into());
    claim("email", email.into());
    claim("email_verified", true.into());
    claim("exp", now.as_second().saturating_add(ID_TOKEN_LIFETIME).into());
    claim("iat", now.as_second().into());
    claim("iss", GOOGLE_ISSUER.into());
    claim("sub", unique_id.into());
    change(&mut claims);
    let key = state.keys.google().map_err(|error| internal(&error))?;
    let token = encode_jwt(&key, &Map::new(), &claims).map_err(|error| internal(&error))?;
    Ok(token.expose().to_owned())
}

fn sign_jwt(act: &Act<'_>) -> Answer {
    let payload = act.body.get("payload").and_then(Value::as_str).unwrap_or_default();
    let Ok(Value::Object(mut claims)) = serde_json::from_str(payload) else {
        return Err(rpc("INVALID_ARGUMENT", "The payload is not a JSON object in a string."));
    };
    let latest = act.now.saturating_add(MAX_SIGNED_LIFETIME).unwrap_or(act.now).as_second();
    match claims.get("exp").map(Value::as_i64) {
        Some(Some(expiry)) if (act.now.as_second()..=latest).contains(&expiry) => {}
        // "If you do not include it, it is added with a time one hour ahead" (signJwt, `payload`).
        None => {
            claims.insert("exp".to_owned(), act.now.as_second().saturating_add(ID_TOKEN_LIFETIME).into());
        }
        _ => {
            return Err(rpc(
                "INVALID_ARGUMENT",
                "The 'exp' claim must be a time that is not in the past and at most 12 hours in the future.",
            ));
        }
    }
    let key = act.state.keys.account(act.email).map_err(|error| internal(&error))?;
    let token = encode_jwt(&key, &Map::new(), &claims).map_err(|error| internal(&error))?;
    Ok(ok(&json!({ "keyId": key.kid(), "signedJwt": token.expose() })))
}

fn sign_blob(act: &Act<'_>) -> Answer {
    let payload = act.body.get("payload").and_then(Value::as_str).filter(|payload| !payload.is_empty());
    let Some(payload) = payload.and_then(|payload| STANDARD.decode(payload).ok()) else {
        return Err(rpc("INVALID_ARGUMENT", "The payload is not base64."));
    };
    let key = act.state.keys.account(act.email).map_err(|error| internal(&error))?;
    let signature = key.sign(&payload).map_err(|error| internal(&error))?;
    Ok(ok(&json!({ "keyId": key.kid(), "signedBlob": STANDARD.encode(signature) })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lifetimes_are_protobuf_durations() {
        for (text, expected) in [
            ("3600s", Some(SignedDuration::from_secs(3600))),
            ("0.5s", Some(SignedDuration::from_millis(500))),
            ("1.000000001s", Some(SignedDuration::new(1, 1))),
            ("0s", None),
            ("-1s", None),
            ("+1s", None),
            ("3600", None),
            ("1.s", None),
            (".5s", None),
            ("1.0000000001s", None),
            ("1m", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse_lifetime(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_lifetime_is_answered(text in ".{0,40}") {
            prop_assert!(parse_lifetime(&text).is_none_or(|lifetime| lifetime.is_positive()));
        }

        #[test]
        fn whole_seconds_come_back(seconds in 1_i64..1_000_000) {
            prop_assert_eq!(parse_lifetime(&format!("{seconds}s")), Some(SignedDuration::from_secs(seconds)));
        }
    }
}
