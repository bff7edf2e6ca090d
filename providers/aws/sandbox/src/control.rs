//! What only the operator of the sandbox says: which issuers have certificates that end in no public root.

use std::sync::Arc;

use axum::{Json, Router, routing::post};
use http::StatusCode;
use serde_json::Value;

use crate::state::{MAX_ENTRIES, State};

/// `POST /private-issuer {"issuer": "https://…", "thumbprint": "40 hexadecimal digits"}`.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new().route(
        "/private-issuer",
        post(move |Json(body): Json<Value>| {
            let state = Arc::clone(&state);
            async move { private_issuer(&state, &body) }
        }),
    )
}

fn private_issuer(state: &State, body: &Value) -> StatusCode {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (issuer, thumbprint) = (text("issuer"), text("thumbprint"));
    let is_sha1 = thumbprint.len() == 40 && thumbprint.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut inner = state.lock();
    if !issuer.starts_with("https://") || !is_sha1 || inner.private_issuers.len() >= MAX_ENTRIES {
        return StatusCode::BAD_REQUEST;
    }
    inner.private_issuers.insert(issuer.to_owned(), thumbprint.to_owned());
    StatusCode::NO_CONTENT
}
