//! One request, read whole, and its way to the path that answers it.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{
    authentication::{self, User},
    cluster::Cluster,
    documents, objects,
    reply::{Answer, ApiError},
    requests, reviews,
};

/// Largest body (`--max-request-body-bytes` of etcd's limit, 3 MB).
const MAX_BODY: usize = 3 << 20;

/// A request as the paths see it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The parts of the path between slashes, each decoded after it was cut out.
    path: Vec<String>,
    /// The path as it came, for what is no resource.
    pub(crate) raw_path: String,
    /// Whether a watch is asked for.
    pub(crate) watch: bool,
    headers: HeaderMap,
    body: Bytes,
    /// Who asks.
    pub(crate) user: User,
}

/// A router that hands every request to the cluster's API server.
pub(crate) fn router(cluster: Arc<Cluster>) -> Router {
    Router::new().fallback(move |request: Request| {
        let cluster = Arc::clone(&cluster);
        async move {
            let (parts, body) = request.into_parts();
            let answer = match axum::body::to_bytes(body, MAX_BODY).await {
                Ok(body) => answer(&cluster, parts.method, &parts.uri, parts.headers, body),
                Err(_) => Err(ApiError::too_large()),
            };
            answer.unwrap_or_else(|error| refused(&cluster, error))
        }
    })
}

fn refused(cluster: &Cluster, error: ApiError) -> Response {
    if let Some(refusal) = &error.refusal {
        cluster.world.decisions.refused(cluster.seed.service, refusal);
    }
    error.into_response()
}

fn answer(cluster: &Cluster, method: Method, uri: &http::Uri, headers: HeaderMap, body: Bytes) -> Answer {
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let raw_path = uri.path().to_owned();
    if let Some(answer) = documents::public(cluster, &method, &headers, &raw_path) {
        return answer;
    }
    let path: Vec<String> = raw_path.split('/').skip(1).map(decode).collect();
    let query = uri.query().unwrap_or_default();
    let watch = url::form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "watch" && matches!(&*value, "" | "true" | "1"));
    let user = authentication::of_request(cluster, &headers)?;
    let call = Call { method, path, raw_path, watch, headers, body, user };
    route(cluster, &call)
}

fn route(cluster: &Cluster, call: &Call) -> Answer {
    let parts: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["api", "v1", "namespaces", namespace, "serviceaccounts", name, "token"] => {
            requests::answer(cluster, call, namespace, name)
        }
        ["apis", "authentication.k8s.io", "v1", "tokenreviews"] => reviews::of_token(cluster, call),
        ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"] => reviews::of_self(cluster, call),
        ["api", "v1", _, ..] => objects::answer(cluster, call, parts.get(2..).unwrap_or_default()),
        _ => documents::answer(cluster, call),
    }
}

impl Call {
    /// The body as a JSON object of this kind, if it says which it is.
    pub(crate) fn object(&self, api_version: &str, kind: &str) -> Result<Map<String, Value>, ApiError> {
        let content = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // kubectl sends the built-in kinds in Kubernetes' own protobuf unless it is told not to.
        if content.starts_with("application/vnd.kubernetes.protobuf") {
            return Err(ApiError::bad("the sandbox reads application/json only"));
        }
        let body: Map<String, Value> = serde_json::from_slice(&self.body).map_err(|error| {
            let at = format!("line {}, column {}", error.line(), error.column());
            ApiError::bad(format!("the object provided is unrecognized (must be of type {kind}): {at}"))
        })?;
        for (member, wanted) in [("apiVersion", api_version), ("kind", kind)] {
            if let Some(seen) = body.get(member)
                && seen.as_str() != Some(wanted)
            {
                return Err(ApiError::bad(format!("the {member} in the data does not match the expected {wanted}")));
            }
        }
        Ok(body)
    }
}
