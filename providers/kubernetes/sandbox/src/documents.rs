//! What is no object: the documents of the cluster as an issuer, health, version, and the lists of resources that clients read
//! before they ask for any.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

use crate::{
    authorization::{Access, require},
    call::Call,
    cluster::{Cluster, Kind},
    reply::{Answer, ApiError, ok},
};

/// The document's path below an issuer (OpenID Connect Discovery 1.0, 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// The key set's path at an API server.
const KEYS: &str = "/openid/v1/jwks";
/// The key set's path below a public issuer of Kubernetes Engine.
const PUBLIC_KEYS: &str = "/jwks";

/// What everybody may read, without saying who they are: the documents of a cluster that has them in public. Nothing else is
/// there under that name.
pub(crate) fn public(cluster: &Cluster, method: &Method, headers: &HeaderMap, path: &str) -> Option<Answer> {
    let host = cluster.seed.public_host?;
    let issuer = cluster.seed.issuer;
    let base = issuer.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)))?;
    let named = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_public = named.split(':').next() == Some(host);
    let below = path.strip_prefix(base);
    if below.is_none() && !is_public {
        return None;
    }
    Some(match (method, below) {
        (&Method::GET | &Method::HEAD, Some(DISCOVERY)) => Ok(ok(&discovery(cluster))),
        (&Method::GET | &Method::HEAD, Some(PUBLIC_KEYS)) => keys(cluster),
        _ => Err(ApiError::no_path()),
    })
}

/// Answers what the other paths leave.
pub(crate) fn answer(cluster: &Cluster, call: &Call) -> Answer {
    let path = call.raw_path.as_str();
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    if call.method != Method::GET && call.method != Method::HEAD {
        return Err(ApiError::no_method());
    }
    let known = document(cluster, path);
    require(cluster, &call.user, Access::path("get", path))?;
    known.unwrap_or_else(|| Err(ApiError::no_path()))
}

fn document(cluster: &Cluster, path: &str) -> Option<Answer> {
    Some(match path {
        DISCOVERY => Ok(ok(&discovery(cluster))),
        KEYS => keys(cluster),
        "/livez" | "/readyz" | "/healthz" => Ok(healthy()),
        "/version" => Ok(ok(&json!({
            "major": "1", "minor": "34", "gitVersion": "v1.34.1-carnet-sandbox", "gitCommit": "", "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z", "goVersion": "none", "compiler": "none", "platform": "linux/amd64",
        }))),
        "/api" => Ok(ok(&json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }))),
        "/apis" => Ok(ok(&json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [group()] }))),
        "/apis/authentication.k8s.io" => Ok(ok(&group())),
        "/api/v1" => Ok(ok(&resources("v1", core_resources()))),
        "/apis/authentication.k8s.io/v1" => Ok(ok(&resources("authentication.k8s.io/v1", review_resources()))),
        _ => return None,
    })
}

fn healthy() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "ok").into_response()
}

fn discovery(cluster: &Cluster) -> Value {
    let issuer = cluster.seed.issuer;
    let keys = match cluster.seed.public_host {
        Some(_) => format!("{issuer}{PUBLIC_KEYS}"),
        // The API server names its own address, which others may not reach.
        None => format!("https://{}{KEYS}", cluster.seed.host),
    };
    json!({
        "issuer": issuer,
        "jwks_uri": keys,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [cluster.seed.algorithm.name()],
    })
}

fn keys(cluster: &Cluster) -> Answer {
    let key = cluster.key.get().map_err(|error| ApiError::internal(&error))?;
    let mut jwk = key.public_jwk();
    jwk.key_use = Some("sig".to_owned());
    jwk.alg = Some(cluster.seed.algorithm.name().to_owned());
    Ok(ok(&json!({ "keys": [jwk] })))
}

fn group() -> Value {
    let version = json!({ "groupVersion": "authentication.k8s.io/v1", "version": "v1" });
    json!({ "kind": "APIGroup", "apiVersion": "v1", "name": "authentication.k8s.io", "versions": [version], "preferredVersion": version })
}

fn resources(group_version: &str, resources: Vec<Value>) -> Value {
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources })
}

fn core_resources() -> Vec<Value> {
    let verbs = ["create", "delete", "get", "list"];
    let mut all: Vec<Value> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let singular = kind.name().to_ascii_lowercase();
            json!({ "name": kind.plural(), "singularName": singular, "namespaced": kind.is_namespaced(), "kind": kind.name(), "verbs": verbs })
        })
        .collect();
    all.push(json!({
        "name": "serviceaccounts/token", "singularName": "", "namespaced": true, "group": "authentication.k8s.io",
        "version": "v1", "kind": "TokenRequest", "verbs": ["create"],
    }));
    all
}

fn review_resources() -> Vec<Value> {
    let review = |name: &str, kind: &str| json!({ "name": name, "singularName": "", "namespaced": false, "kind": kind, "verbs": ["create"] });
    vec![review("tokenreviews", "TokenReview"), review("selfsubjectreviews", "SelfSubjectReview")]
}
