//! TokenRequest (`pkg/registry/core/serviceaccount/storage/token.go`).

use carnet_trust::Grant;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    authorization::{Access, require},
    call::Call,
    cluster::{Cluster, Kind, seconds},
    reply::{Answer, ApiError, json_reply},
    store::Objects,
    tokens::{Draft, mint},
};

/// `ValidateTokenRequest` of `pkg/apis/authentication/validation`, in seconds.
const MIN: i64 = 600;
const MAX: i64 = 1 << 32;
const DEFAULT: i64 = 3600;

/// `POST /api/v1/namespaces/{namespace}/serviceaccounts/{name}/token`.
pub(crate) fn answer(cluster: &Cluster, call: &Call, namespace: &str, name: &str) -> Answer {
    if call.method != Method::POST {
        return Err(ApiError::no_method());
    }
    let access = Access { verb: "create", resource: "serviceaccounts/token", group: "", namespace, name };
    require(cluster, &call.user, access)?;
    let mut body = call.object("authentication.k8s.io/v1", "TokenRequest")?;
    let mut spec = match body.remove("spec") {
        Some(Value::Object(spec)) => spec,
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err(ApiError::bad("spec is not an object")),
    };
    let lifetime = lifetime(&spec)?;
    let draft = {
        let objects = cluster.objects();
        let uid = objects.uid(Kind::ServiceAccount, namespace, name);
        let account_uid = uid.ok_or_else(|| ApiError::no_object("serviceaccounts", name))?;
        let pod = spec.get("boundObjectRef").filter(|reference| !reference.is_null());
        let pod = pod.map(|reference| bound(&objects, reference, namespace, name)).transpose()?;
        let node = pod.as_ref().and_then(|(pod, _)| {
            let node = objects.get(Kind::Pod, namespace, pod)?.pointer("/spec/nodeName")?.as_str()?;
            Some((node.to_owned(), objects.uid(Kind::Node, "", node)?))
        });
        let audiences = audiences(&spec, cluster.seed.issuer)?;
        Draft { namespace, account: name.to_owned(), account_uid, audiences, lifetime, warn_after: None, pod, node }
    };
    let (token, end) = mint(cluster, &draft).map_err(|error| ApiError::internal(&error))?;
    let grant = Grant {
        principal: format!("system:serviceaccount:{namespace}:{name}"),
        held: vec!["rbac"],
        attributes: [("audiences".to_owned(), carnet_core::safe_text(&draft.audiences.join(" ")))].into(),
        ..Grant::default()
    };
    cluster.world.decisions.allowed(cluster.seed.service, &grant);
    spec.insert("audiences".to_owned(), json!(draft.audiences));
    spec.insert("expirationSeconds".to_owned(), json!(lifetime));
    let made = json!({
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "metadata": { "name": name, "namespace": namespace, "creationTimestamp": seconds(cluster.now()) },
        "spec": spec,
        "status": { "token": token.expose(), "expirationTimestamp": seconds(end) },
    });
    Ok(json_reply(StatusCode::CREATED, &made))
}

fn lifetime(spec: &Map<String, Value>) -> Result<i64, ApiError> {
    let invalid = |seen: i64, wrong: &str| {
        let object = "TokenRequest.authentication.k8s.io \"\" is invalid";
        ApiError::invalid(format!("{object}: spec.expirationSeconds: Invalid value: {seen}: {wrong}"))
    };
    match spec.get("expirationSeconds") {
        None | Some(Value::Null) => Ok(DEFAULT),
        Some(value) => match value.as_i64() {
            None => Err(ApiError::bad("spec.expirationSeconds is not a whole number")),
            Some(seconds) if seconds < MIN => Err(invalid(seconds, "may not specify a duration less than 10 minutes")),
            Some(seconds) if seconds > MAX => {
                Err(invalid(seconds, "may not specify a duration larger than 2^32 seconds"))
            }
            Some(seconds) => Ok(seconds),
        },
    }
}

fn audiences(spec: &Map<String, Value>, own: &str) -> Result<Vec<String>, ApiError> {
    let bad = || ApiError::bad("spec.audiences is not a list of texts");
    match spec.get("audiences") {
        None | Some(Value::Null) => Ok(vec![own.to_owned()]),
        Some(Value::Array(all)) if all.is_empty() => Ok(vec![own.to_owned()]),
        Some(Value::Array(all)) => all.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(bad)).collect(),
        Some(_) => Err(bad()),
    }
}

/// The pod that the token is to be bound to, by name and UID.
fn bound(objects: &Objects, reference: &Value, namespace: &str, account: &str) -> Result<(String, String), ApiError> {
    let text = |name: &str| reference.get(name).and_then(Value::as_str).unwrap_or_default();
    if (text("apiVersion"), text("kind")) != ("v1", "Pod") {
        // Secrets and nodes can be bound to as well; the sandbox has no secrets.
        let kind = carnet_core::safe_text(&format!("{}, Kind={}", text("apiVersion"), text("kind")));
        return Err(ApiError::bad(format!("cannot bind token to object of type {kind}")));
    }
    let name = text("name");
    let pod = objects.get(Kind::Pod, namespace, name).ok_or_else(|| ApiError::no_object("pods", name))?;
    let own = pod.pointer("/spec/serviceAccountName").and_then(Value::as_str).unwrap_or("default");
    if own != account {
        return Err(ApiError::bad(format!(
            "cannot bind token for serviceaccount \"{account}\" to pod running with different serviceaccount name."
        )));
    }
    let uid = objects.uid(Kind::Pod, namespace, name).unwrap_or_default();
    let asked = text("uid");
    if !asked.is_empty() && asked != uid {
        return Err(ApiError::conflict(format!(
            "Operation cannot be fulfilled on pods \"{name}\": the UID in the bound object reference does not match the UID in \
             record. The object might have been deleted and then recreated"
        )));
    }
    Ok((name.to_owned(), uid))
}
