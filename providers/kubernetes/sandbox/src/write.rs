//! Changing objects.

use carnet_trust::Refusal;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::{
    call::Call,
    cluster::{Cluster, Kind, seconds},
    fields, gone,
    managed::{self, Writer},
    objects::{Target, open_namespace},
    rbac,
    reply::{Answer, ApiError, json_reply, ok},
    schema,
    store::Objects,
    types::DEFINITIONS,
};

/// Longest name of an object: a DNS subdomain.
const MAX_NAME: usize = 253;
const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";

/// `POST`.
pub(crate) fn create(cluster: &Cluster, call: &Call, target: &Target<'_>) -> Answer {
    let mut object = Value::Object(call.object(&target.resource.api_version(), &target.resource.kind)?);
    let metadata =
        |name: &str| object.pointer(&format!("/metadata/{name}")).and_then(Value::as_str).unwrap_or_default();
    let mut name = metadata("name").to_owned();
    if name.is_empty() && !metadata("generateName").is_empty() {
        name = format!("{}{}", metadata("generateName"), cluster.world.random_hex::<3>());
    }
    let full = target.resource.full();
    if !is_name(&name) {
        return Err(ApiError::invalid(format!("{full} is invalid: metadata.name: a lowercase RFC 1123 subdomain")));
    }
    let named = metadata("namespace").to_owned();
    let namespace = target.namespace.unwrap_or_default();
    if !named.is_empty() && named != namespace {
        return Err(ApiError::bad(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let mut objects = cluster.objects();
    if target.namespace.is_some() {
        open_namespace(&objects, namespace)?;
    }
    if objects.find(&target.key(&name)).is_some() {
        return Err(ApiError::taken(&full, &name));
    }
    if full == "pods" {
        admit_pod(&objects, &mut object, namespace, &name)?;
    }
    let made = born(cluster, call, &mut objects, target, &name, object)?;
    Ok(json_reply(StatusCode::CREATED, &made))
}

/// A new object, checked and in its place.
fn born(
    cluster: &Cluster,
    call: &Call,
    objects: &mut Objects,
    target: &Target<'_>,
    name: &str,
    mut object: Value,
) -> Result<Value, ApiError> {
    let time = seconds(cluster.now());
    let api_version = target.resource.api_version();
    let applied = call.content_type() == APPLY;
    let entries = object.pointer("/metadata/managedFields").cloned();
    cluster.born(&mut object, target.namespace.unwrap_or_default(), name);
    if let Some(members) = object.as_object_mut() {
        members.insert("apiVersion".to_owned(), api_version.clone().into());
        members.insert("kind".to_owned(), target.resource.kind.clone().into());
        if target.resource.status {
            members.remove("status");
        }
    }
    if target.resource.full() == "pods" {
        set(&mut object, "status", json!({ "phase": "Running" }));
    }
    admit(call, objects, target, &mut object, None)?;
    if target.resource.generation {
        set_metadata(&mut object, "generation", 1.into());
    }
    if let Some(entries) = entries.filter(|_| applied) {
        set_metadata(&mut object, "managedFields", entries);
    } else {
        let manager = call.manager();
        let writer = Writer { name: &manager, status: false, api_version: &api_version, time: &time };
        set_metadata(&mut object, "managedFields", json!([]));
        managed::updated(&json!({ "metadata": {} }), &mut object, &writer);
    }
    let made = Value::clone(&objects.write(target.key(name), object));
    if target.resource.full() == "namespaces" {
        // The controller of service accounts.
        let mut account = json!({ "apiVersion": "v1", "kind": "ServiceAccount" });
        cluster.born(&mut account, name, "default");
        objects.write(crate::store::Key::new("serviceaccounts", name, "default"), account);
    }
    Ok(made)
}

/// `PUT`.
pub(crate) fn update(cluster: &Cluster, call: &Call, target: &Target<'_>) -> Answer {
    let body = Value::Object(call.object(&target.resource.api_version(), &target.resource.kind)?);
    let mut objects = cluster.objects();
    let name = target.name.unwrap_or_default();
    let old = objects.find(&target.key(name)).cloned().ok_or_else(|| target.missing())?;
    let version = body.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
    if version.is_empty() && target.resource.schema.is_some() {
        let full = target.resource.full();
        let what = "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update";
        return Err(ApiError::invalid(format!("{full} \"{name}\" is invalid: {what}")));
    }
    let new = if target.status {
        let mut new = Value::clone(&old);
        set(&mut new, "status", body.get("status").cloned().unwrap_or(Value::Null));
        new
    } else {
        body.clone()
    };
    changed(cluster, call, &mut objects, target, &old, new, &body)
}

/// `PATCH`: a merge patch, or what is applied.
pub(crate) fn patch(cluster: &Cluster, call: &Call, target: &Target<'_>) -> Answer {
    let patch = call.json()?;
    let mut objects = cluster.objects();
    let name = target.name.unwrap_or_default();
    let old = objects.find(&target.key(name)).cloned();
    match call.content_type() {
        MERGE => {
            let old = old.ok_or_else(|| target.missing())?;
            let mut new = Value::clone(&old);
            if target.status {
                let mut status = old.get("status").cloned().unwrap_or_default();
                fields::merge_patch(&mut status, patch.get("status").unwrap_or(&json!({})));
                set(&mut new, "status", status);
            } else {
                fields::merge_patch(&mut new, &patch);
            }
            changed(cluster, call, &mut objects, target, &old, new, &patch)
        }
        APPLY => apply(cluster, call, &mut objects, target, old.as_deref(), patch),
        _ => Err(ApiError::unsupported(format!("the sandbox takes patches of the types {MERGE} and {APPLY}"))),
    }
}

fn apply(
    cluster: &Cluster,
    call: &Call,
    objects: &mut Objects,
    target: &Target<'_>,
    old: Option<&Value>,
    mut wanted: Value,
) -> Answer {
    let name = target.name.unwrap_or_default();
    let Some(manager) = call.query("fieldManager") else {
        return Err(ApiError::bad(
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ));
    };
    for (member, is) in [("apiVersion", target.resource.api_version()), ("kind", target.resource.kind.clone())] {
        if wanted.get(member).and_then(Value::as_str) != Some(&is) {
            return Err(ApiError::bad(format!("the {member} of what is applied must be {is}")));
        }
    }
    if wanted.pointer("/metadata/managedFields").is_some() {
        return Err(ApiError::bad("metadata.managedFields must be nil"));
    }
    if wanted.pointer("/metadata/name").and_then(Value::as_str).is_some_and(|named| named != name) || !is_name(name) {
        return Err(ApiError::bad("the name of the object does not match the name on the URL"));
    }
    if let (true, Some(members)) = (target.resource.status, wanted.as_object_mut()) {
        members.retain(|name, _| match name.as_str() {
            "apiVersion" | "kind" => true,
            "status" => target.status,
            _ => !target.status,
        });
    }
    let (time, api_version) = (seconds(cluster.now()), target.resource.api_version());
    let writer = Writer { name: manager, status: target.status, api_version: &api_version, time: &time };
    match old {
        Some(old) => {
            let new = managed::applied(old, &wanted, &writer, call.flag("force"))?;
            changed(cluster, call, objects, target, old, new, &wanted)
        }
        None if target.status => Err(target.missing()),
        None => {
            if let Some(namespace) = target.namespace {
                open_namespace(objects, namespace)?;
            }
            let new = managed::applied(&json!({ "metadata": {} }), &wanted, &writer, true)?;
            Ok(json_reply(StatusCode::CREATED, &born(cluster, call, objects, target, name, new)?))
        }
    }
}

/// Puts `new` in the place of `old`, with what the client may not change as it was. `asked` is what the client sent.
fn changed(
    cluster: &Cluster,
    call: &Call,
    objects: &mut Objects,
    target: &Target<'_>,
    old: &Value,
    mut new: Value,
    asked: &Value,
) -> Answer {
    let name = target.name.unwrap_or_default();
    let full = target.resource.full();
    let stale = |what: &str| ApiError::conflict(format!("Operation cannot be fulfilled on {full} \"{name}\": {what}"));
    let own = |value: &Value, member: &str| value.pointer(&format!("/metadata/{member}")).cloned();
    let modified = "the object has been modified; please apply your changes to the latest version and try again";
    for (member, what) in [("resourceVersion", modified), ("uid", "Precondition failed: UID in precondition")] {
        let is_empty = |value: &Value| value.as_str().is_none_or(str::is_empty);
        let wanted = own(asked, member).filter(|value| !is_empty(value));
        if wanted.is_some() && wanted != own(old, member) {
            return Err(stale(what));
        }
    }
    for member in
        ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "generation", "resourceVersion"]
    {
        match own(old, member) {
            Some(value) => set_metadata(&mut new, member, value),
            None => unset_metadata(&mut new, member),
        }
    }
    if target.resource.status && !target.status {
        match old.get("status") {
            Some(status) => set(&mut new, "status", status.clone()),
            None => unset(&mut new, "status"),
        }
    }
    admit(call, objects, target, &mut new, Some(old))?;
    if full == "pods" && old.get("spec") != new.get("spec") {
        return Err(ApiError::invalid(format!(
            "pods \"{name}\" is invalid: spec: Forbidden: the sandbox changes no pods"
        )));
    }
    let is_same = same_besides(old, &new, &["metadata"])
        && match (old.get("metadata"), new.get("metadata")) {
            (Some(old), Some(new)) => same_besides(old, new, &["managedFields"]),
            (old, new) => old == new,
        };
    if target.resource.generation && !same_besides(old, &new, &["metadata", "status"]) {
        let generation = own(old, "generation").and_then(|number| number.as_u64()).unwrap_or_default();
        set_metadata(&mut new, "generation", generation.saturating_add(1).into());
    }
    if call.content_type() == APPLY {
        if is_same && same_managers(old, &new) {
            return Ok(ok(old));
        }
    } else {
        if is_same {
            return Ok(ok(old));
        }
        let (manager, time, api_version) = (call.manager(), seconds(cluster.now()), target.resource.api_version());
        let writer = Writer { name: &manager, status: target.status, api_version: &api_version, time: &time };
        managed::updated(old, &mut new, &writer);
    }
    let key = target.key(name);
    if gone::is_leaving(&new) && !gone::is_held(&new) {
        objects.write(key.clone(), new);
        let erased = gone::erase(objects, &key, &seconds(cluster.now()));
        return erased.map(|object| ok(&object)).ok_or_else(|| target.missing());
    }
    Ok(ok(&objects.write(key, new)))
}

/// `DELETE`.
pub(crate) fn delete(cluster: &Cluster, call: &Call, target: &Target<'_>) -> Answer {
    let options = call.json()?;
    let mut objects = cluster.objects();
    let name = target.name.unwrap_or_default();
    let key = target.key(name);
    let old = objects.find(&key).cloned().ok_or_else(|| target.missing())?;
    for member in ["uid", "resourceVersion"] {
        let wanted = options.pointer(&format!("/preconditions/{member}")).filter(|value| !value.is_null());
        if wanted.is_some() && wanted != old.pointer(&format!("/metadata/{member}")) {
            let full = target.resource.full();
            let what = format!(
                "Operation cannot be fulfilled on {full} \"{name}\": the {member} in the precondition is another"
            );
            return Err(ApiError::conflict(what));
        }
    }
    let erased = gone::delete(&mut objects, &key, &seconds(cluster.now()));
    Ok(ok(&erased.unwrap_or(old)))
}

/// What is looked at before anything is written.
fn admit(
    call: &Call,
    objects: &Objects,
    target: &Target<'_>,
    new: &mut Value,
    old: Option<&Value>,
) -> Result<(), ApiError> {
    let full = target.resource.full();
    let mistakes = match &target.resource.schema {
        Some(of) => {
            schema::shape(new, of.get());
            schema::check(new, old, of.get())
        }
        None if full == DEFINITIONS => schema::check_definition(new),
        None => Vec::new(),
    };
    if !mistakes.is_empty() {
        let name = new.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let kind = format!("{}.{}", target.resource.kind, target.resource.group);
        return Err(ApiError::invalid(format!("{kind} \"{name}\" is invalid: {}", mistakes.join(", "))));
    }
    if gone::adds_finalizers(old, new) {
        return Err(ApiError::invalid(format!(
            "{full}: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted"
        )));
    }
    rbac::no_escalation(objects, &call.user, &target.resource, new)
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn unset(object: &mut Value, name: &str) {
    if let Some(members) = object.as_object_mut() {
        members.remove(name);
    }
}

fn set_metadata(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        set(members.entry("metadata").or_insert_with(|| json!({})), name, value);
    }
}

fn unset_metadata(object: &mut Value, name: &str) {
    if let Some(metadata) = object.get_mut("metadata") {
        unset(metadata, name);
    }
}

/// Whether two objects have the same members, apart from these.
fn same_besides(one: &Value, other: &Value, besides: &[&str]) -> bool {
    let counts = |name: &str| !besides.contains(&name);
    let count = |object: &Value| object.as_object().map_or(0, |all| all.keys().filter(|name| counts(name)).count());
    let mut members = one.as_object().into_iter().flatten().filter(|(name, _)| counts(name));
    count(one) == count(other) && members.all(|(name, value)| other.get(name) == Some(value))
}

/// Whether everybody has set the same as before, whenever that was.
fn same_managers(old: &Value, new: &Value) -> bool {
    let without_time = |object: &Value| {
        let mut all = object.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
        for entry in &mut all {
            unset(entry, "time");
        }
        all.iter().map(Value::to_string).collect::<std::collections::BTreeSet<_>>()
    };
    without_time(old) == without_time(new)
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b':');
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(inner)
}

/// The admission plugin ServiceAccount.
fn admit_pod(objects: &Objects, pod: &mut Value, namespace: &str, name: &str) -> Result<(), ApiError> {
    let Some(pod) = pod.as_object_mut() else { return Ok(()) };
    let account = account_of(pod);
    if objects.get(Kind::ServiceAccount, namespace, &account).is_some() {
        return Ok(());
    }
    let place = carnet_core::safe_text(&format!("{namespace}/{account}"));
    let message =
        format!("pods \"{name}\" is forbidden: error looking up service account {place}: serviceaccount not found");
    let fix = "create the service account before the pod";
    let refusal = Refusal::new("service-account", place, "an account of the pod's namespace", "Forbidden", fix);
    Err(ApiError::forbidden(message, Box::new(refusal)))
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
