//! One request, read whole.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use carnet_sandbox_kit::PlainHttp;
use http::{HeaderMap, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{arm, blob, entra, graph, managed, state::State};

/// Largest body. Blobs of more are not for a sandbox.
const MAX_BODY: usize = 32 << 20;

/// A request as the services see it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The parts of the path between slashes, each decoded after it was cut out.
    pub(crate) path: Vec<String>,
    /// The path as it came.
    pub(crate) raw_path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether it came to the plain address.
    is_plain: bool,
}

/// A router that hands every request of one service to its module.
pub(crate) fn router(state: Arc<State>, service: &'static str) -> Router {
    Router::new().fallback(move |request: Request| {
        let state = Arc::clone(&state);
        async move {
            let (parts, body) = request.into_parts();
            let is_plain = parts.extensions.get::<PlainHttp>().is_some();
            let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
                return StatusCode::PAYLOAD_TOO_LARGE.into_response();
            };
            answer(&state, service, Call::new(parts.method, &parts.uri, parts.headers, body, is_plain)).await
        }
    })
}

async fn answer(state: &Arc<State>, service: &'static str, call: Call) -> Response {
    let answer = match service {
        entra::SERVICE => entra::answer(state, &call).await,
        graph::SERVICE => graph::answer(state, &call),
        arm::SERVICE => arm::answer(state, &call),
        blob::SERVICE => return blob::answer(state, &call),
        _ => managed::answer(state, service, &call),
    };
    answer.unwrap_or_else(|error| {
        if let Some(refusal) = &error.refusal {
            state.world.decisions.refused(service, refusal);
        }
        error.into_response()
    })
}

impl Call {
    fn new(method: Method, uri: &http::Uri, headers: HeaderMap, body: Bytes, is_plain: bool) -> Self {
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let raw_path = uri.path().to_owned();
        let path = raw_path.split('/').skip(1).map(decode).collect();
        let query = uri.query().unwrap_or_default();
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { method, path, raw_path, query, headers, body, is_plain }
    }

    /// The parts of the path, to match on.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// `https://` and the name under which the caller reached the service: Microsoft's libraries take no authority that is not
    /// named so.
    pub(crate) fn authority(&self, usual: &str) -> String {
        format!("https://{}", self.header(header::HOST.as_str()).unwrap_or(usual))
    }

    /// Scheme and name under which the caller reached the service.
    pub(crate) fn origin(&self, usual: &str) -> String {
        let scheme = if self.is_plain { "http" } else { "https" };
        format!("{scheme}://{}", self.header(header::HOST.as_str()).unwrap_or(usual))
    }

    /// The host without its port.
    pub(crate) fn host(&self) -> &str {
        let host = self.header(header::HOST.as_str()).unwrap_or_default();
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        }
    }

    /// The body as a JSON object; an empty one has no members. `None` where it is something else.
    pub(crate) fn json(&self) -> Option<Map<String, Value>> {
        if self.body.is_empty() {
            return Some(Map::new());
        }
        serde_json::from_slice(&self.body).ok()
    }
}
