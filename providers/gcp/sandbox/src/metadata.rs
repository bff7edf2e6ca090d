//! The metadata server of a virtual machine.

mod tree;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::response::{IntoResponse, Response};
use carnet_gcp::trust::Caller;
use carnet_jose::sha256;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    access::CLOUD_PLATFORM,
    call::Call,
    credentials,
    reply::{Answer, with_header},
    seed,
    state::State,
    tokens::{self, Session},
};

/// The name of the service.
pub(crate) const SERVICE: &str = "gcp-metadata";

/// How long before its end a token is no longer handed out again: the server's own cache. Client libraries refresh 3
/// minutes 45 seconds ahead, so that they get another one.
const REFRESH_AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// How long a token of the machine lives.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// Longest wait for a change when the caller names none. The real server waits for ever; nothing changes here.
const LONGEST_WAIT: u64 = 300;
/// Most tokens that are kept to be handed out again.
const MAX_CACHED: usize = 100;

/// Answers a request.
pub(crate) async fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let response = respond(state, call).await;
    Ok([
        (HeaderName::from_static("metadata-flavor"), "Google"),
        (header::SERVER, "Metadata Server for VM"),
        (header::X_XSS_PROTECTION, "0"),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
    ]
    .into_iter()
    .fold(response, |response, (name, value)| with_header(response, name, value)))
}

async fn respond(state: &Arc<State>, call: &Call) -> Response {
    if call.raw_path == "/" && call.method == Method::GET {
        return text("0.1/\ncomputeMetadata/\n");
    }
    if call.headers.contains_key("x-forwarded-for") {
        return page(StatusCode::FORBIDDEN, "Requests with the header \"X-Forwarded-For\" are refused");
    }
    if call.header("metadata-flavor").is_none_or(|flavor| !flavor.eq_ignore_ascii_case("google")) {
        return page(StatusCode::FORBIDDEN, "Missing required header \"Metadata-Flavor\": \"Google\"");
    }
    if call.method != Method::GET && call.method != Method::HEAD {
        // Only agents' identities post, to bind a token to a certificate.
        return page(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
    }
    let parts = call.parts();
    match parts.as_slice() {
        ["computeMetadata", "v1", "instance", "service-accounts", account, what @ ("identity" | "token")]
            if is_machine_account(account) =>
        {
            if *what == "token" {
                token(state, call)
            } else {
                identity(state, call)
            }
        }
        ["computeMetadata", "v1", rest @ ..] => value(call, rest).await,
        ["computeMetadata"] | ["computeMetadata", ""] => text("v1/\n"),
        _ => not_found(),
    }
}

fn is_machine_account(name: &str) -> bool {
    name == "default" || name == seed::BUILDER
}

async fn value(call: &Call, path: &[&str]) -> Response {
    let tree = tree::tree();
    let (names, is_directory) = match path.split_last() {
        Some((&"", names)) => (names, true),
        _ => (path, false),
    };
    let Some(found) = tree::find(&tree, names) else { return not_found() };
    if found.is_object() && !is_directory {
        let query = call.query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let query = if query.is_empty() { query } else { format!("?{query}") };
        let place = format!("{}/{query}", call.raw_path);
        return with_header(page(StatusCode::MOVED_PERMANENTLY, "Moved Permanently"), header::LOCATION, &place);
    }
    if is_directory && !found.is_object() {
        return not_found();
    }
    let recursive = call.parameter("recursive").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let as_json = match call.parameter("alt") {
        Some("json") => true,
        Some("text") => false,
        _ => recursive && found.is_object(),
    };
    let body = match (as_json, recursive) {
        (true, _) => tree::json(found).to_string(),
        (false, true) => tree::flat(found),
        (false, false) => tree::text(found),
    };
    let tag = tag(&body);
    if call.parameter("wait_for_change").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        && call.parameter("last_etag").is_none_or(|last| last == tag)
    {
        let seconds = call.parameter("timeout_sec").and_then(|seconds| seconds.parse().ok()).unwrap_or(LONGEST_WAIT);
        tracing::debug!(seconds, "metadata caller waits for a change");
        tokio::time::sleep(Duration::from_secs(seconds.min(LONGEST_WAIT))).await;
    }
    let kind = if as_json { "application/json" } else { "application/text" };
    with_header(with_header(plain(StatusCode::OK, body), header::CONTENT_TYPE, kind), header::ETAG, &tag)
}

/// The latest tokens by scopes, to be handed out again.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<BTreeMap<String, (carnet_core::Secret, Timestamp)>>);

fn token(state: &State, call: &Call) -> Response {
    let now = state.world.now(SERVICE);
    let scopes = call.parameter("scopes").filter(|scopes| !scopes.is_empty()).unwrap_or(CLOUD_PLATFORM).to_owned();
    let mut cache = state.metadata_tokens.0.lock().unwrap_or_else(PoisonError::into_inner);
    let lifetime = tokens::lifetime(&state.world, SERVICE, &call.raw_path, TOKEN_LIFETIME);
    let fresh =
        cache.get(&scopes).filter(|(_, expires)| lifetime.is_positive() && expires.duration_since(now) > REFRESH_AHEAD);
    let (token, expires) = if let Some(known) = fresh {
        known.clone()
    } else {
        let expires = now.saturating_add(lifetime).unwrap_or(now);
        let session = Session {
            caller: Caller::ServiceAccount(seed::BUILDER.to_owned()),
            scopes: scopes.split(',').map(ToOwned::to_owned).collect(),
            issued: now,
            expires,
        };
        let token = state.lock().tokens.issue(&state.world, session);
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(scopes, (token.clone(), expires));
        (token, expires)
    };
    let body = json!({
        "access_token": token.expose(),
        "expires_in": expires.duration_since(now).as_secs(),
        "token_type": "Bearer",
    });
    with_header(plain(StatusCode::OK, body.to_string()), header::CONTENT_TYPE, "application/json")
}

fn identity(state: &State, call: &Call) -> Response {
    let Some(audience) = call.parameter("audience").filter(|audience| !audience.is_empty()) else {
        return page(StatusCode::BAD_REQUEST, "non-empty audience parameter required");
    };
    let full = call.parameter("format").is_some_and(|format| format.eq_ignore_ascii_case("full"));
    let with_licenses = call.parameter("licenses").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let now = state.world.now(SERVICE);
    let expired = !tokens::lifetime(&state.world, SERVICE, &call.raw_path, TOKEN_LIFETIME).is_positive();
    let change = |claims: &mut Map<String, Value>| {
        if expired {
            claims.insert("exp".to_owned(), now.as_second().into());
        }
        if full {
            let mut machine = json!({
                "instance_creation_timestamp": tree::CREATED,
                "instance_id": seed::INSTANCE_ID.to_string(),
                "instance_name": seed::INSTANCE,
                "project_id": seed::PROJECT,
                "project_number": tree::project_number(),
                "zone": seed::ZONE,
            });
            if with_licenses && let Some(machine) = machine.as_object_mut() {
                machine.insert("license_id".to_owned(), json!([]));
            }
            claims.insert("google".to_owned(), json!({ "compute_engine": machine }));
        } else {
            claims.retain(|name, _| !name.starts_with("email"));
        }
    };
    match credentials::id_token(state, seed::BUILDER, audience, now, change) {
        Ok(token) => with_header(plain(StatusCode::OK, token), header::CONTENT_TYPE, "text/html"),
        Err(error) => error.into_response(),
    }
}

fn tag(body: &str) -> String {
    carnet_core::hex(&sha256(body.as_bytes())).chars().take(16).collect()
}

fn text(body: &str) -> Response {
    with_header(plain(StatusCode::OK, body.to_owned()), header::CONTENT_TYPE, "application/text")
}

fn not_found() -> Response {
    page(StatusCode::NOT_FOUND, "The requested URL was not found on this server.")
}

fn page(status: StatusCode, body: &str) -> Response {
    with_header(plain(status, body.to_owned()), header::CONTENT_TYPE, "text/html; charset=UTF-8")
}

fn plain(status: StatusCode, body: String) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/text"));
    response
}
