//! One request, read whole, and its way to the path that answers it.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use carnet_sandbox_kit::ShownCertificates;
use http::{HeaderMap, Method, StatusCode, header, uri::PathAndQuery};
use jiff::SignedDuration;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{
    duration,
    policy::Operation,
    reply::{self, ApiError, Reply},
    route,
    state::State,
    wrapping,
};

/// Largest body (`max_request_size`).
const MAX_BODY: usize = 32 << 20;

/// A request as the paths see it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// Path and query as they were sent.
    pub(crate) target: String,
    /// After `/v1/`, decoded; that of a list ends in a slash. May begin with a namespace.
    pub(crate) path: String,
    /// `X-Vault-Namespace` without slashes around it.
    pub(crate) namespace: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    /// The parameters. For reads those of the query.
    pub(crate) body: Map<String, Value>,
    /// `X-Vault-Wrap-TTL`.
    pub(crate) wrap_ttl: Option<SignedDuration>,
    /// What the client has shown in TLS.
    pub(crate) certificates: Option<ShownCertificates>,
}

/// A router that hands every request to the emulated server.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new().fallback(move |request: Request| {
        let state = Arc::clone(&state);
        async move {
            let (mut parts, body) = request.into_parts();
            let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
                return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, ["http: request body too large"]).into_response();
            };
            let certificates = parts.extensions.remove();
            let call = Call::read(&parts.method, &parts.uri, parts.headers, &body);
            answer(&state, call.map(|call| Call { certificates, ..call })).await
        }
    })
}

async fn answer(state: &State, call: Result<Call, ApiError>) -> Response {
    let answer = match call {
        Ok(call) => match route::answer(state, &call).await {
            Ok(reply) => Ok((reply, call)),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    match answer {
        Ok((Reply::Nothing, _)) => reply::no_content(),
        Ok((Reply::Raw(status, body), _)) => reply::json_reply(status, &body),
        Ok((Reply::Elsewhere(url), _)) => reply::elsewhere(&url),
        Ok((Reply::Secret(secret), call)) => {
            reply::json_reply(StatusCode::OK, &wrapping::envelope(state, &call, &secret))
        }
        Err(error) => {
            if let Some(refusal) = &error.refusal {
                state.world.decisions.refused(state.service, refusal);
            }
            error.into_response()
        }
    }
}

impl Call {
    fn read(method: &Method, uri: &http::Uri, headers: HeaderMap, body: &Bytes) -> Result<Self, ApiError> {
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let operation = operation(method, &query, &headers)?;
        let mut path = path(uri.path())?;
        let writes = matches!(operation, Operation::Update | Operation::Patch);
        if writes && path.ends_with('/') {
            return Err(ApiError::bad("cannot write to a path ending in '/'"));
        }
        if operation == Operation::List && !path.ends_with('/') {
            path.push('/');
        }
        let body = if writes || operation == Operation::Delete { parse_body(&headers, body)? } else { Map::new() };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let wrap_ttl = match text("x-vault-wrap-ttl") {
            "" => None,
            ttl => Some(duration::parse_text(ttl).ok_or_else(|| ApiError::bad("error parsing wrap TTL header"))?),
        };
        if wrap_ttl.is_some_and(|ttl| ttl.is_negative()) {
            return Err(ApiError::bad("requested wrap ttl cannot be negative"));
        }
        let wrap_ttl = wrap_ttl.filter(SignedDuration::is_positive);
        let namespace = text("x-vault-namespace").trim_matches('/').to_owned();
        let target = uri.path_and_query().map_or(uri.path(), PathAndQuery::as_str).to_owned();
        Ok(Self { operation, target, path, namespace, query, headers, body, wrap_ttl, certificates: None })
    }

    /// The token: `X-Vault-Token`, else `Authorization: Bearer`, whose prefix is compared with case.
    pub(crate) fn token(&self) -> Option<&str> {
        let text = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let own = text("x-vault-token").filter(|token| !token.is_empty());
        own.or_else(|| text(header::AUTHORIZATION.as_str())?.strip_prefix("Bearer ")).map(str::trim)
    }

    /// A parameter that is a text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// What a method means. POST and PUT are the same; whether they create is found out later.
fn operation(method: &Method, query: &BTreeMap<String, String>, headers: &HeaderMap) -> Result<Operation, ApiError> {
    let set =
        |name: &str| query.get(name).is_some_and(|value| matches!(value.as_str(), "1" | "true" | "t" | "T" | "True"));
    Ok(match method.as_str() {
        "GET" | "HEAD" if set("help") => Operation::Help,
        "GET" | "HEAD" if set("list") => Operation::List,
        "GET" | "HEAD" => Operation::Read,
        "LIST" => Operation::List,
        "POST" | "PUT" => Operation::Update,
        "DELETE" => Operation::Delete,
        "PATCH" => {
            let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if kind.split(';').next().unwrap_or_default().trim() != "application/merge-patch+json" {
                let text = "PATCH requires Content-Type of application/merge-patch+json";
                return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, [text]));
            }
            Operation::Patch
        }
        _ => return Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, Vec::<String>::new())),
    })
}

fn path(raw: &str) -> Result<String, ApiError> {
    let raw = raw.strip_prefix("/v1/").ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, Vec::<String>::new()))?;
    let decoded = percent_decode_str(raw).decode_utf8().map_err(|_invalid| ApiError::bad("the path is not UTF-8"))?;
    if decoded.chars().any(char::is_control) {
        return Err(ApiError::bad("path cannot contain non-printable characters"));
    }
    if decoded.split('/').any(|part| part == "." || part == "..") {
        return Err(ApiError::bad("relative paths not supported"));
    }
    Ok(collapsed(&decoded))
}

/// Without empty segments, as the multiplexer before the server leaves a path: policies must see the path that is answered.
/// A slash at the end stays.
fn collapsed(path: &str) -> String {
    let mut collapsed = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if !collapsed.is_empty() {
            collapsed.push('/');
        }
        collapsed.push_str(part);
    }
    if path.ends_with('/') && !collapsed.is_empty() {
        collapsed.push('/');
    }
    collapsed
}

/// JSON whatever the type says; a form only when the type says so and the body does not begin as JSON does.
fn parse_body(headers: &HeaderMap, body: &Bytes) -> Result<Map<String, Value>, ApiError> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/x-www-form-urlencoded") && !body.starts_with(b"{") && !body.starts_with(b"[") {
        let pairs = url::form_urlencoded::parse(body).into_owned();
        return Ok(pairs.map(|(name, value)| (name, Value::String(value))).collect());
    }
    serde_json::from_slice(body).map_err(|error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        ApiError::bad(format!("failed to parse JSON input: {at}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_no_empty_segments() {
        for (raw, wanted) in
            [("a/b", "a/b"), ("a/b/", "a/b/"), ("/a//b///c//", "a/b/c/"), ("a%2F/b", "a/b"), ("", ""), ("//", "")]
        {
            assert_eq!(path(&format!("/v1/{raw}")).unwrap(), wanted, "{raw}");
        }
    }
}
