//! Namespaces, nodes, pods and service accounts.

use carnet_trust::Refusal;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{
    authorization::{Access, require},
    call::Call,
    cluster::{Cluster, Kind},
    reply::{Answer, ApiError, json_reply, ok},
};

/// Longest name of an object: a DNS subdomain.
const MAX_NAME: usize = 253;

/// Where a request is about.
struct Target<'a> {
    kind: Kind,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Of the path after `/api/v1/`.
    fn of(path: &[&'a str]) -> Option<Self> {
        let kind =
            |plural: &str, namespaced: bool| Kind::of_plural(plural).filter(|kind| !namespaced || kind.is_namespaced());
        Some(match *path {
            ["namespaces", namespace, plural] => {
                Self { kind: kind(plural, true)?, namespace: Some(namespace), name: None }
            }
            ["namespaces", namespace, plural, name] => {
                Self { kind: kind(plural, true)?, namespace: Some(namespace), name: Some(name) }
            }
            [plural] => Self { kind: kind(plural, false)?, namespace: None, name: None },
            [plural, name] => {
                let kind = kind(plural, false).filter(|kind| !kind.is_namespaced())?;
                Self { kind, namespace: None, name: Some(name) }
            }
            _ => return None,
        })
    }
}

/// Answers what is below `/api/v1/`.
pub(crate) fn answer(cluster: &Cluster, call: &Call, path: &[&str]) -> Answer {
    let target = Target::of(path).ok_or_else(ApiError::no_path)?;
    let verb = match (&call.method, target.name) {
        (&Method::GET, None) if call.watch => "watch",
        (&Method::GET, None) => "list",
        (&Method::GET, Some(_)) => "get",
        (&Method::POST, None) => "create",
        (&Method::DELETE, Some(_)) => "delete",
        _ => return Err(ApiError::no_method()),
    };
    let (namespace, name) = (target.namespace.unwrap_or_default(), target.name.unwrap_or_default());
    let plural = target.kind.plural();
    require(cluster, &call.user, Access { verb, resource: plural, group: "", namespace, name })?;
    match verb {
        // Said plainly, so that nobody waits for what never comes.
        "watch" => Err(ApiError::no_method()),
        "list" => Ok(list(cluster, &target)),
        "get" => {
            cluster.objects().get(target.kind, namespace, name).map(ok).ok_or_else(|| ApiError::no_object(plural, name))
        }
        "create" => create(cluster, call, &target),
        _ => cluster
            .objects()
            .remove(target.kind, namespace, name)
            .map(|removed| ok(&removed))
            .ok_or_else(|| ApiError::no_object(plural, name)),
    }
}

fn list(cluster: &Cluster, target: &Target<'_>) -> axum::response::Response {
    let objects = cluster.objects();
    let items = objects.list(target.kind, target.namespace);
    ok(&json!({
        "kind": format!("{}List", target.kind.name()), "apiVersion": "v1",
        "metadata": { "resourceVersion": objects.version.to_string() },
        "items": items,
    }))
}

fn create(cluster: &Cluster, call: &Call, target: &Target<'_>) -> Answer {
    let mut object = call.object("v1", target.kind.name())?;
    let name = object.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Value::as_str);
    let name = name.unwrap_or_default().to_owned();
    let plural = target.kind.plural();
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(inner) {
        return Err(ApiError::invalid(format!("{plural} is invalid: metadata.name: a lowercase RFC 1123 subdomain")));
    }
    let namespace = target.namespace.unwrap_or_default();
    {
        let objects = cluster.objects();
        if target.kind.is_namespaced() && objects.get(Kind::Namespace, "", namespace).is_none() {
            return Err(ApiError::no_object("namespaces", namespace));
        }
        if target.kind == Kind::Pod {
            let account = account_of(&mut object);
            // The admission plugin ServiceAccount.
            if objects.get(Kind::ServiceAccount, namespace, &account).is_none() {
                return Err(no_account(namespace, &name, &account));
            }
        }
    }
    let made = cluster.put(target.kind, namespace, &name, object).ok_or_else(|| ApiError::taken(plural, &name))?;
    if target.kind == Kind::Namespace {
        // The controller of service accounts.
        drop(cluster.put(Kind::ServiceAccount, &name, "default", Map::new()));
    }
    Ok(json_reply(StatusCode::CREATED, &made))
}

fn no_account(namespace: &str, pod: &str, account: &str) -> ApiError {
    let place = carnet_core::safe_text(&format!("{namespace}/{account}"));
    let message =
        format!("pods \"{pod}\" is forbidden: error looking up service account {place}: serviceaccount not found");
    let fix = "create the service account before the pod";
    let refusal = Refusal::new("service-account", place, "an account of the pod's namespace", "Forbidden", fix);
    ApiError::forbidden(message, Box::new(refusal))
}

/// The account of a pod, which is `default` unless it says otherwise.
fn account_of(pod: &mut Map<String, Value>) -> String {
    let spec = pod.entry("spec").or_insert_with(|| json!({}));
    let named = spec.get("serviceAccountName").and_then(Value::as_str).filter(|name| !name.is_empty());
    let account = named.unwrap_or("default").to_owned();
    if let Some(spec) = spec.as_object_mut() {
        spec.insert("serviceAccountName".to_owned(), account.clone().into());
        spec.entry("nodeName").or_insert_with(|| crate::seed::NODE.into());
    }
    account
}
