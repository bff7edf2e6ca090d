//! One request, read whole, and its way to the path that answers it.

use std::{collections::BTreeMap, sync::Arc};

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
    /// The members of the query; of several of one name the last.
    query: BTreeMap<String, String>,
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

fn answer(cluster: &Arc<Cluster>, method: Method, uri: &http::Uri, headers: HeaderMap, body: Bytes) -> Answer {
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let raw_path = uri.path().to_owned();
    if let Some(answer) = documents::public(cluster, &method, &headers, &raw_path) {
        return answer;
    }
    let path: Vec<String> = raw_path.split('/').skip(1).map(decode).collect();
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let query = query.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let user = authentication::of_request(cluster, &headers)?;
    let call = Call { method, path, raw_path, query, headers, body, user };
    route(cluster, &call)
}

fn route(cluster: &Arc<Cluster>, call: &Call) -> Answer {
    let parts: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["api", "v1", "namespaces", namespace, "serviceaccounts", name, "token"] => {
            requests::answer(cluster, call, namespace, name)
        }
        ["apis", "authentication.k8s.io", "v1", "tokenreviews"] => reviews::of_token(cluster, call),
        ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"] => reviews::of_self(cluster, call),
        ["api", "v1", rest @ ..] if !matches!(rest, [] | [""]) => objects::answer(cluster, call, ("", "v1"), rest),
        ["apis", group, version, rest @ ..] if !matches!(rest, [] | [""]) => {
            objects::answer(cluster, call, (group, version), rest)
        }
        _ => documents::answer(cluster, call),
    }
}

impl Call {
    /// A member of the query, if it says something.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a member of the query says yes, which it also does without a value.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.query.get(name).is_some_and(|value| matches!(value.as_str(), "" | "true" | "1"))
    }

    /// The body as JSON of whatever form; `null` without one.
    pub(crate) fn json(&self) -> Result<Value, ApiError> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let at = format!("line {}, column {}", error.line(), error.column());
            ApiError::bad(format!("the body of the request was not JSON, and the sandbox reads nothing else: {at}"))
        })
    }

    /// What the body says it is, without parameters.
    pub(crate) fn content_type(&self) -> &str {
        let value = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }

    /// Who writes: `fieldManager`, otherwise the first word of the user agent, as the API server has it.
    pub(crate) fn manager(&self) -> String {
        let agent = self.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("unknown");
        let first = agent.split(['/', ' ']).next().unwrap_or_default();
        self.query("fieldManager").unwrap_or(first).chars().take(128).collect()
    }

    /// The body as a JSON object of this kind, if it says which it is.
    pub(crate) fn object(&self, api_version: &str, kind: &str) -> Result<Map<String, Value>, ApiError> {
        // kubectl sends the built-in kinds in Kubernetes' own protobuf unless it is told not to.
        if self.content_type() == "application/vnd.kubernetes.protobuf" {
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
