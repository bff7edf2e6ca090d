//! How objects go: at once, or when those have let go who hold them ("Finalizers"), and what belongs to them with them ("Garbage Collection").

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::store::{Key, Objects};

/// Whether somebody has asked for its end.
pub(crate) fn is_leaving(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(Value::is_string)
}

/// Whether somebody still holds it.
pub(crate) fn is_held(object: &Value) -> bool {
    finalizers(object).next().is_some()
}

fn finalizers(object: &Value) -> impl Iterator<Item = &Value> {
    object.pointer("/metadata/finalizers").and_then(Value::as_array).into_iter().flatten()
}

/// Whether somebody wants to hold what is about to go.
pub(crate) fn adds_finalizers(old: Option<&Value>, new: &Value) -> bool {
    let Some(old) = old.filter(|old| is_leaving(old)) else { return false };
    finalizers(new).any(|finalizer| !finalizers(old).any(|other| other == finalizer))
}

/// Begins the end of an object: it is marked while it is held, else it is gone. A namespace takes with it what is in it. `None` when it is gone already.
pub(crate) fn delete(objects: &mut Objects, key: &Key, now: &str) -> Option<Arc<Value>> {
    let there = objects.find(key)?;
    if !is_held(there) {
        return erase(objects, key, now);
    }
    if is_leaving(there) {
        return Some(Arc::clone(there));
    }
    let mut marked = Value::clone(there);
    if let Some(metadata) = marked.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("deletionTimestamp".to_owned(), now.into());
        metadata.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
        let generation = metadata.get("generation").and_then(Value::as_u64);
        if let Some(generation) = generation {
            metadata.insert("generation".to_owned(), generation.saturating_add(1).into());
        }
    }
    Some(objects.write(key.clone(), marked))
}

/// Takes an object away that nobody holds, then what belongs to it and to nobody else.
pub(crate) fn erase(objects: &mut Objects, key: &Key, now: &str) -> Option<Arc<Value>> {
    let erased = objects.erase(key)?;
    let uid = erased.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned();
    let in_it = |other: &Key| key.resource == "namespaces" && other.namespace == key.name;
    let below: Vec<Key> = objects
        .all()
        .filter(|(other, object)| in_it(other) || owners(object).any(|owner| owner == uid))
        .map(|(other, _)| other.clone())
        .collect();
    for other in below {
        let orphaned = objects.find(&other).is_some_and(|object| !has_another_owner(objects, object, &uid));
        if in_it(&other) || orphaned {
            delete(objects, &other, now);
        } else if let Some(object) = objects.find(&other) {
            let mut object = Value::clone(object);
            disown(&mut object, &uid);
            objects.write(other, object);
        }
    }
    Some(erased)
}

fn owners(object: &Value) -> impl Iterator<Item = &str> {
    let all = object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|owner| owner.get("uid").and_then(Value::as_str))
}

fn has_another_owner(objects: &Objects, object: &Value, uid: &str) -> bool {
    let mut others = owners(object).filter(|owner| *owner != uid);
    let there = |uid: &str| objects.all().any(|(_, object)| object.pointer("/metadata/uid") == Some(&json!(uid)));
    others.any(there)
}

fn disown(object: &mut Value, uid: &str) {
    let metadata: Option<&mut Map<String, Value>> = object.get_mut("metadata").and_then(Value::as_object_mut);
    let all = metadata.and_then(|metadata| metadata.get_mut("ownerReferences")).and_then(Value::as_array_mut);
    if let Some(all) = all {
        all.retain(|owner| owner.get("uid").and_then(Value::as_str) != Some(uid));
    }
}
