//! TokenReview and SelfSubjectReview (`pkg/registry/authentication`).

use carnet_trust::Grant;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    authentication::{self, Believed},
    authorization::{Access, require},
    call::Call,
    cluster::{Cluster, seconds},
    reply::{Answer, ApiError, json_reply},
};

const GROUP: &str = "authentication.k8s.io";
const VERSION: &str = "authentication.k8s.io/v1";

/// `POST /apis/authentication.k8s.io/v1/tokenreviews`. A token that is not believed is an answer and no refusal.
pub(crate) fn of_token(cluster: &Cluster, call: &Call) -> Answer {
    if call.method != Method::POST {
        return Err(ApiError::no_method());
    }
    let access = Access { verb: "create", resource: "tokenreviews", group: GROUP, namespace: "", name: "" };
    require(cluster, &call.user, access)?;
    let body = call.object(VERSION, "TokenReview")?;
    let spec = body.get("spec").cloned().unwrap_or_default();
    let token = spec.get("token").and_then(Value::as_str).unwrap_or_default();
    if token.is_empty() {
        return Err(ApiError::bad("token is required for TokenReview in authentication"));
    }
    let audiences: Vec<String> = match spec.get("audiences") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(all)) if all.iter().all(Value::is_string) => {
            all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(_) => return Err(ApiError::bad("spec.audiences is not a list of texts")),
    };
    let status = match authentication::of_token(cluster, token, &audiences) {
        Ok(Believed { user, audiences }) => {
            let grant = Grant { principal: user.name.clone(), held: vec!["token"], ..Grant::default() };
            cluster.world.decisions.allowed(cluster.seed.service, &grant);
            json!({ "authenticated": true, "user": user.to_json(), "audiences": audiences })
        }
        Err(refusal) => {
            cluster.world.decisions.refused(cluster.seed.service, &refusal);
            json!({ "user": {}, "error": format!("[invalid bearer token, {}]", refusal.seen) })
        }
    };
    let made = json!({
        "kind": "TokenReview", "apiVersion": VERSION, "metadata": { "creationTimestamp": null }, "spec": spec, "status": status,
    });
    Ok(json_reply(StatusCode::CREATED, &made))
}

/// `POST /apis/authentication.k8s.io/v1/selfsubjectreviews`: `kubectl auth whoami`.
pub(crate) fn of_self(cluster: &Cluster, call: &Call) -> Answer {
    if call.method != Method::POST {
        return Err(ApiError::no_method());
    }
    let access = Access { verb: "create", resource: "selfsubjectreviews", group: GROUP, namespace: "", name: "" };
    require(cluster, &call.user, access)?;
    let made = json!({
        "kind": "SelfSubjectReview", "apiVersion": VERSION,
        "metadata": { "creationTimestamp": seconds(cluster.now()) },
        "status": { "userInfo": call.user.to_json() },
    });
    Ok(json_reply(StatusCode::CREATED, &made))
}
