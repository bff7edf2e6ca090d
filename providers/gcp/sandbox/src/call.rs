//! One request, read whole.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use carnet_sandbox_kit::ShownCertificates;
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::{
    certs, credentials, iam, metadata, project,
    reply::{ApiError, rpc},
    state::State,
    storage, sts,
};

/// Largest body. Objects of more are not for a sandbox; `options` of the token service may have 4 MB.
const MAX_BODY: usize = 32 << 20;

/// A request as the services see it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The parts of the path between slashes, each decoded after it was cut out: an object's name may hold a slash.
    pub(crate) path: Vec<String>,
    /// The path as it came.
    pub(crate) raw_path: String,
    /// What stands after the colon of the last part, as in `:setIamPolicy`.
    pub(crate) verb: Option<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What the client has shown in TLS.
    certificates: Option<ShownCertificates>,
}

/// A router that hands every request of one service to its module.
pub(crate) fn router(state: Arc<State>, service: &'static str) -> Router {
    Router::new().fallback(move |request: Request| {
        let state = Arc::clone(&state);
        async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
                return StatusCode::PAYLOAD_TOO_LARGE.into_response();
            };
            let certificates = parts.extensions.get().cloned();
            let call = Call { certificates, ..Call::new(parts.method, &parts.uri, parts.headers, body) };
            answer(&state, service, call).await
        }
    })
}

async fn answer(state: &Arc<State>, service: &'static str, call: Call) -> Response {
    let answer = match service {
        sts::SERVICE => sts::answer(state, &call).await,
        credentials::SERVICE => credentials::answer(state, &call),
        iam::SERVICE => iam::answer(state, &call),
        project::SERVICE => project::answer(state, &call),
        storage::SERVICE => storage::answer(state, &call),
        certs::SERVICE => certs::answer(state, &call),
        metadata::SERVICE => metadata::answer(state, &call).await,
        _ => Err(rpc("NOT_FOUND", "no such service")),
    };
    answer.unwrap_or_else(|error| {
        if let Some(refusal) = &error.refusal {
            state.world.decisions.refused(service, refusal);
        }
        error.into_response()
    })
}

impl Call {
    fn new(method: Method, uri: &http::Uri, headers: HeaderMap, body: Bytes) -> Self {
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let raw_path = uri.path().to_owned();
        let (path, verb) = match raw_path.rsplit_once(':') {
            // A slash after it: the colon stands in another part.
            Some((path, verb)) if !verb.contains('/') => (path, Some(decode(verb))),
            _ => (raw_path.as_str(), None),
        };
        let path = path.split('/').skip(1).map(decode).collect();
        let query = uri.query().unwrap_or_default();
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { method, path, raw_path, verb, query, headers, body, certificates: None }
    }

    /// The parts of the path, to match on.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The last part of the path with what stands after a colon, for services without verbs.
    pub(crate) fn last_part(&self) -> String {
        let last = self.raw_path.rsplit('/').next().unwrap_or_default();
        percent_decode_str(last).decode_utf8_lossy().into_owned()
    }

    /// The certificate that the client has shown in TLS, DER. Of Google's own hosts only those for mutual TLS ask for it.
    pub(crate) fn shown_certificate(&self) -> Option<&[u8]> {
        let host = self.header("host").unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let asks = !host.ends_with(".googleapis.com") || host.ends_with(".mtls.googleapis.com");
        self.certificates.as_ref().filter(|_| asks)?.0.first().map(Vec::as_slice)
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// The body as JSON; an empty one is an empty object.
    pub(crate) fn json(&self) -> Result<Value, ApiError> {
        if self.body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let value: Value = serde_json::from_slice(&self.body).map_err(|error| {
            let message = format!("Invalid JSON payload received. Line {}, column {}.", error.line(), error.column());
            rpc("INVALID_ARGUMENT", message)
        })?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(rpc("INVALID_ARGUMENT", "Invalid JSON payload received. Root element must be a message."))
        }
    }
}
