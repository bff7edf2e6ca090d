//! Roles and bindings that are objects ("Using RBAC Authorization"): who may do what, and that nobody gives what they do not have.

use carnet_trust::Refusal;
use serde_json::Value;

use crate::{
    authentication::User,
    authorization::Access,
    reply::ApiError,
    store::{Key, Objects},
    types::Resource,
};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Whether a role that is bound to the user allows it.
pub(crate) fn allows(objects: &Objects, user: &User, access: Access<'_>) -> bool {
    rules(objects, user, access.namespace).iter().any(|rule| permits(rule, access))
}

/// The rules of all roles that are bound to the user, in this namespace or everywhere.
fn rules(objects: &Objects, user: &User, namespace: &str) -> Vec<Value> {
    let everywhere = objects.of("clusterrolebindings.rbac.authorization.k8s.io", None);
    let here = objects.of("rolebindings.rbac.authorization.k8s.io", Some(namespace)).filter(|_| !namespace.is_empty());
    let mut found = Vec::new();
    for (key, binding) in everywhere.chain(here) {
        let subjects = binding.get("subjects").and_then(Value::as_array).into_iter().flatten();
        if subjects.into_iter().any(|subject| is(user, subject))
            && let Some(role) = role_of(objects, binding, &key.namespace)
        {
            found.extend(role.get("rules").and_then(Value::as_array).into_iter().flatten().cloned());
        }
    }
    found
}

fn is(user: &User, subject: &Value) -> bool {
    let text = |name: &str| subject.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("kind") {
        "User" => user.name == text("name"),
        "Group" => user.is_in(text("name")),
        "ServiceAccount" => user.name == format!("system:serviceaccount:{}:{}", text("namespace"), text("name")),
        _ => false,
    }
}

fn role_of<'o>(objects: &'o Objects, binding: &Value, namespace: &str) -> Option<&'o Value> {
    let text = |name: &str| binding.pointer(&format!("/roleRef/{name}")).and_then(Value::as_str).unwrap_or_default();
    let key = match text("kind") {
        "ClusterRole" => Key::new("clusterroles.rbac.authorization.k8s.io", "", text("name")),
        _ => Key::new("roles.rbac.authorization.k8s.io", namespace, text("name")),
    };
    objects.find(&key).map(|role| &**role)
}

fn permits(rule: &Value, access: Access<'_>) -> bool {
    let Access { verb, resource, group, name, .. } = access;
    if resource.starts_with('/') {
        return has(rule, "verbs", verb) && has(rule, "nonResourceURLs", resource);
    }
    // A list and a watch have no name, and `create` none yet: such a rule then allows nothing.
    let named = texts(rule, "resourceNames").next().is_none() || texts(rule, "resourceNames").any(|one| one == name);
    has(rule, "verbs", verb) && has(rule, "apiGroups", group) && has(rule, "resources", resource) && named
}

fn has(rule: &Value, list: &str, wanted: &str) -> bool {
    texts(rule, list).any(|one| one == "*" || one == wanted)
}

fn texts<'v>(rule: &'v Value, list: &str) -> impl Iterator<Item = &'v str> {
    rule.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// "Privilege escalation prevention": who writes a role must have all of it, or the verb `escalate`; who binds one must have all of it, or the verb `bind`.
///
/// # Errors
/// 403 in the API server's words.
pub(crate) fn no_escalation(objects: &Objects, user: &User, resource: &Resource, new: &Value) -> Result<(), ApiError> {
    if resource.group != GROUP || user.is_in("system:masters") {
        return Ok(());
    }
    let namespace = new.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let name = new.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let is_role = matches!(resource.plural.as_str(), "roles" | "clusterroles");
    let (wanted, verb, of, named) = if is_role {
        (Some(new), "escalate", resource.plural.as_str(), name)
    } else {
        let kind = new.pointer("/roleRef/kind").and_then(Value::as_str);
        let of = if kind == Some("ClusterRole") { "clusterroles" } else { "roles" };
        let named = new.pointer("/roleRef/name").and_then(Value::as_str).unwrap_or_default();
        (role_of(objects, new, namespace), "bind", of, named)
    };
    let own = rules(objects, user, namespace);
    let may = |access| own.iter().any(|rule| permits(rule, access));
    if may(Access { verb, resource: of, group: GROUP, namespace, name: named }) {
        return Ok(());
    }
    let wanted = wanted.and_then(|role| role.get("rules")).and_then(Value::as_array);
    // A role that is not there gives nothing yet, and could be made to give anything.
    let covered = wanted.is_some_and(|rules| rules.iter().all(|rule| covers(&own, rule, namespace)));
    if covered {
        return Ok(());
    }
    let who = carnet_core::safe_text(&user.name);
    let message = format!(
        "{}.{GROUP} \"{name}\" is forbidden: user \"{who}\" is attempting to grant RBAC permissions not currently held",
        resource.plural
    );
    let fix = "give the account all that it is to give on, or the verb escalate or bind";
    let refusal = Refusal::new("rbac", who, "permissions that it holds itself", "Forbidden", fix);
    Err(ApiError::forbidden(message, Box::new(refusal)))
}

/// Whether each single thing that the rule allows is allowed by one of ours.
fn covers(own: &[Value], rule: &Value, namespace: &str) -> bool {
    let names: Vec<&str> = texts(rule, "resourceNames").collect();
    let names = if names.is_empty() { vec![""] } else { names };
    texts(rule, "verbs").all(|verb| {
        texts(rule, "nonResourceURLs")
            .all(|path| own.iter().any(|one| has(one, "verbs", verb) && has(one, "nonResourceURLs", path)))
            && texts(rule, "apiGroups").all(|group| {
                texts(rule, "resources").all(|resource| {
                    names.iter().all(|name| {
                        let access = Access { verb, resource, group, namespace, name };
                        own.iter().any(|one| permits(one, access))
                    })
                })
            })
    })
}
