//! Google's own issuer: discovery and keys, and the keys of service accounts.

use std::sync::Arc;

use axum::response::Response;
use http::{Method, header};
use serde_json::{Map, Value, json};

use crate::{
    call::Call,
    credentials::GOOGLE_ISSUER,
    reply::{Answer, internal, ok, rpc, with_header},
    state::State,
};

/// The name of the service.
pub(crate) const SERVICE: &str = "gcp-certs";

/// Answers a request. Nobody has to sign in for these.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let not_found = || rpc("NOT_FOUND", "The requested URL was not found on this server.");
    if call.method != Method::GET {
        return Err(not_found());
    }
    match call.parts().as_slice() {
        [".well-known", "openid-configuration"] => Ok(public(&json!({
            "issuer": GOOGLE_ISSUER,
            "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
            "token_endpoint": "https://oauth2.googleapis.com/token",
            "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
            "response_types_supported": ["code", "token", "id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": ["aud", "email", "email_verified", "exp", "iat", "iss", "sub"],
        }))),
        ["oauth2", "v3", "certs"] => {
            let key = state.keys.google().map_err(|error| internal(&error))?;
            Ok(public(&json!({ "keys": [key.public_jwk()] })))
        }
        // Documents name the first form, some clients use the second.
        ["service_accounts", "v1", kind @ ("jwk" | "raw"), email]
        | ["service_accounts", "v1", "metadata", kind @ ("jwk" | "raw"), email] => {
            let Some(email) = state.lock().account_email(email) else { return Err(not_found()) };
            let key = state.keys.account(&email).map_err(|error| internal(&error))?;
            if *kind == "jwk" {
                return Ok(public(&json!({ "keys": [key.public_jwk()] })));
            }
            let pem = key.public_pem().map_err(|error| internal(&error))?;
            let keys = Map::from_iter([(key.kid().unwrap_or_default().to_owned(), Value::String(pem))]);
            Ok(public(&keys.into()))
        }
        _ => Err(not_found()),
    }
}

/// With the caching that Google allows; a rotation is then found by who refetches for an unknown `kid`.
fn public(body: &Value) -> Response {
    with_header(ok(body), header::CACHE_CONTROL, "public, max-age=300, must-revalidate")
}
