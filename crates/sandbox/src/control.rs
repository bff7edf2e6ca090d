//! The control API: what the sandbox does, where its services are, the clock, the faults.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::Authority},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use carnet_core::{Clock as _, Error, chain};
use carnet_sandbox_kit::{Fault, FaultKind};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;
use tower::ServiceExt as _;

use crate::{Flavour, inner::Inner, routes::is_loopback};

/// Which emulator mints the tokens of the demo's CI systems.
const MINT: &str = "ci";

/// The API over this sandbox. Nothing answers without the control token, and nothing answers under a host name that
/// is not loopback, so that a page in a browser on this machine can neither guess its way in nor rebind a name to it.
pub(crate) fn router(inner: &Arc<Inner>) -> Router {
    let mut router = Router::new()
        .route("/status", get(status))
        .route("/urls", get(urls))
        .route("/environment", get(environment))
        .route("/clock", get(clock).post(move_clock))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/token", post(mint))
        .route("/decisions", get(decisions))
        .route("/shutdown", post(shutdown))
        .with_state(Arc::clone(inner));
    for (name, emulator) in &inner.emulators {
        if let Some(control) = emulator.control() {
            router = router.nest(&format!("/emulator/{name}"), control);
        }
    }
    router.fallback(not_found).layer(from_fn_with_state(Arc::clone(inner), admit))
}

async fn admit(State(inner): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    match objection(&inner, request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

fn objection(inner: &Inner, headers: &HeaderMap) -> Option<Response> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !header(header::HOST).is_some_and(is_loopback_authority) {
        return Some(refuse(StatusCode::FORBIDDEN, "the Host header must be loopback"));
    }
    let bearer = header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if bool::from(bearer.as_bytes().ct_eq(inner.control_token.expose().as_bytes())) {
        return None;
    }
    let mut refusal = refuse(StatusCode::UNAUTHORIZED, "the control token is missing or wrong");
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Some(refusal)
}

fn is_loopback_authority(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    !authority.as_str().contains('@') && is_loopback(authority.host())
}

async fn status(State(inner): State<Arc<Inner>>) -> Response {
    let services: Vec<&str> = inner.urls.keys().copied().collect();
    answer(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now": inner.world.clock.now().to_string(),
        "offset_seconds": inner.world.clock.offset().as_secs(),
        "services": services,
        "faults": inner.world.faults.list(),
        "refused_hosts": inner.routes.refused(),
        "proxy": inner.proxy_url(),
        "folder": inner.folder.path(),
    }))
}

async fn urls(State(inner): State<Arc<Inner>>) -> Response {
    let urls: Map<String, Value> = inner
        .urls
        .iter()
        .map(|(name, urls)| ((*name).to_owned(), json!({ "plain": urls.plain_origin(), "tls": urls.tls_origin() })))
        .collect();
    answer(Value::Object(urls))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvironmentQuery {
    #[serde(default)]
    flavour: Option<String>,
    #[serde(default)]
    job: Option<String>,
    #[serde(default)]
    audience: Option<String>,
}

async fn environment(State(inner): State<Arc<Inner>>, Query(query): Query<EnvironmentQuery>) -> Response {
    let flavour = match query.flavour.as_deref() {
        None | Some("proxy") => Flavour::Proxy,
        Some("direct") => Flavour::Direct,
        Some(_) => return refuse(StatusCode::BAD_REQUEST, "the flavour is direct or proxy"),
    };
    let job = match &query.job {
        Some(job) => inner.job_environment(job, query.audience.as_deref()),
        None => Ok(Vec::new()),
    };
    let variables = match (inner.environment(flavour).await, job) {
        (Ok(variables), Ok(job)) => Ok(variables.into_iter().chain(job).collect::<Vec<_>>()),
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    match variables {
        Ok(variables) => {
            answer(Value::Object(variables.into_iter().map(|(name, value)| (name, Value::String(value))).collect()))
        }
        Err(error) => failed(&error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecisionsQuery {
    /// Only decisions with a higher number.
    #[serde(default)]
    after: u64,
}

async fn decisions(State(inner): State<Arc<Inner>>, Query(query): Query<DecisionsQuery>) -> Response {
    answer(json!({ "decisions": inner.world.decisions.since(query.after) }))
}

async fn clock(State(inner): State<Arc<Inner>>) -> Response {
    let clock = &inner.world.clock;
    answer(json!({ "now": clock.now().to_string(), "offset_seconds": clock.offset().as_secs() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum Move {
    /// By so much: `10m`, `-1h 30m`, `PT10M`.
    Advance(SignedDuration),
    /// Back to the system's time, if this is true.
    Reset(bool),
    /// To a time (RFC 3339).
    Set(Timestamp),
}

async fn move_clock(State(inner): State<Arc<Inner>>, body: Bytes) -> Response {
    match read(&body, r#"one of {"advance":"10m"}, {"set":"2026-11-21T12:00:00Z"}, {"reset":true}"#) {
        Ok(Move::Advance(by)) => drop(inner.world.clock.advance(by)),
        Ok(Move::Reset(true)) => inner.world.clock.reset(),
        Ok(Move::Reset(false)) => {}
        Ok(Move::Set(now)) => drop(inner.world.clock.set(now)),
        Err(error) => return failed(&error),
    }
    clock(State(inner)).await
}

async fn faults(State(inner): State<Arc<Inner>>) -> Response {
    answer(json!({ "faults": inner.world.faults.list() }))
}

async fn add_fault(State(inner): State<Arc<Inner>>, body: Bytes) -> Response {
    let fault: Fault = match read(&body, r#"{"kind":"slow","service":"gcp-sts","path":"/v1/","times":2}"#) {
        Ok(fault) => fault,
        Err(error) => {
            return failed(&error.hint(format!("faults are {}", FaultKind::ALL.map(|(name, _)| name).join(", "))));
        }
    };
    match inner.add_fault(fault) {
        Ok(()) => faults(State(inner)).await,
        Err(error) => failed(&error),
    }
}

async fn clear_faults(State(inner): State<Arc<Inner>>) -> Response {
    inner.world.faults.clear();
    faults(State(inner)).await
}

async fn mint(State(inner): State<Arc<Inner>>, body: Bytes) -> Response {
    let control = inner.emulators.iter().find(|(name, _)| *name == MINT).and_then(|(_, emulator)| emulator.control());
    let Some(control) = control else {
        return refuse(StatusCode::NOT_IMPLEMENTED, "this sandbox has no emulator that mints tokens");
    };
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/mint");
    // What curl sends by itself is a form, and there is nothing else but JSON here.
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match control.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

async fn shutdown(State(inner): State<Arc<Inner>>) -> Response {
    inner.shutdown.cancel();
    (StatusCode::ACCEPTED, axum::Json(json!({ "stopping": true }))).into_response()
}

async fn not_found() -> Response {
    refuse(
        StatusCode::NOT_FOUND,
        "the control API has /status, /urls, /environment, /clock, /faults, /decisions, /token, /shutdown and /emulator/NAME",
    )
}

fn read<T: DeserializeOwned>(body: &[u8], example: &str) -> Result<T, Error> {
    serde_json::from_slice(body)
        .map_err(|error| Error::configuration(format!("expected JSON such as {example}: {error}")))
}

fn answer(value: Value) -> Response {
    axum::Json(value).into_response()
}

fn failed(error: &Error) -> Response {
    let status = match error.kind() {
        carnet_core::ErrorKind::Configuration => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, axum::Json(json!({ "error": chain(error).join(": "), "hints": error.hints() }))).into_response()
}

fn refuse(status: StatusCode, text: &str) -> Response {
    (status, axum::Json(json!({ "error": text }))).into_response()
}
