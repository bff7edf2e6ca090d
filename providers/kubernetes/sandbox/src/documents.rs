//! What is no object: the documents of the cluster as an issuer, health, version, and the lists of resources that clients read
//! before they ask for any.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

use crate::{
    authorization::{Access, require},
    call::Call,
    cluster::Cluster,
    reply::{Answer, ApiError, ok},
    types,
};

/// The document's path below an issuer (OpenID Connect Discovery 1.0, 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// The key set's path at an API server.
const KEYS: &str = "/openid/v1/jwks";
/// The group of reviews of tokens, which are no objects that are kept.
const REVIEWS: &str = "authentication.k8s.io";
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
        "/apis" => {
            let all: Vec<Value> = groups(cluster).iter().map(|(name, versions)| group(name, versions)).collect();
            Ok(ok(&json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": all })))
        }
        "/api/v1" => Ok(ok(&resources_of(cluster, "", "v1")?)),
        _ => {
            let name = path.strip_prefix("/apis/")?;
            match name.split_once('/') {
                Some((name, version)) => Ok(ok(&resources_of(cluster, name, version)?)),
                None => Ok(ok(&group(name, groups(cluster).get(name)?))),
            }
        }
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

fn resources(group_version: &str, resources: &[Value]) -> Value {
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources })
}

/// What there is of a group and version. `None` when there is nothing.
fn resources_of(cluster: &Cluster, group: &str, version: &str) -> Option<Value> {
    let all = types::all(cluster, &cluster.objects());
    let own = all.into_iter().filter(|one| one.group == group && one.version == version);
    let mut listed: Vec<Value> = own.flat_map(|one| one.listed()).collect();
    match group {
        "" => listed.push(json!({
            "name": "serviceaccounts/token", "singularName": "", "namespaced": true, "group": REVIEWS, "version": "v1",
            "kind": "TokenRequest", "verbs": ["create"],
        })),
        REVIEWS if version == "v1" => {
            for (name, kind) in [("tokenreviews", "TokenReview"), ("selfsubjectreviews", "SelfSubjectReview")] {
                listed.push(
                    json!({ "name": name, "singularName": "", "namespaced": false, "kind": kind, "verbs": ["create"] }),
                );
            }
        }
        _ => {}
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    (!listed.is_empty()).then(|| resources(&group_version, &listed))
}

/// The groups beside the core, each with its versions.
fn groups(cluster: &Cluster) -> BTreeMap<String, BTreeSet<String>> {
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    groups.entry(REVIEWS.to_owned()).or_default().insert("v1".to_owned());
    for one in types::all(cluster, &cluster.objects()).into_iter().filter(|one| !one.group.is_empty()) {
        groups.entry(one.group).or_default().insert(one.version);
    }
    groups
}

fn group(name: &str, versions: &BTreeSet<String>) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": format!("{name}/{version}"), "version": version }))
        .collect();
    json!({ "kind": "APIGroup", "apiVersion": "v1", "name": name, "preferredVersion": versions.last(), "versions": versions })
}
