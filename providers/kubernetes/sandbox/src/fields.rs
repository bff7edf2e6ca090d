//! Which members of an object somebody has set, as paths ("Server-Side Apply", `fieldsV1`): `f:NAME` is a member, `k:{…}` the element of a list with these
//! keys, `v:VALUE` an element of a set. Other lists are one whole.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A way into an object.
pub(crate) type Path = Vec<String>;

/// What the lists of the built-in kinds, and of custom resources here, are. An API server has it from the schema of each kind; here the name of the list
/// decides.
enum List {
    Whole,
    Set,
    By(&'static [&'static str]),
}

fn list(name: &str) -> List {
    match name {
        "containers" | "initContainers" | "ephemeralContainers" | "env" | "volumes" | "imagePullSecrets" => {
            List::By(&["name"])
        }
        "volumeMounts" => List::By(&["mountPath"]),
        "ports" => List::By(&["name"]),
        "conditions" => List::By(&["type"]),
        "ownerReferences" => List::By(&["uid"]),
        "finalizers" => List::Set,
        _ => List::Whole,
    }
}

/// The paths of all that is set, without what the API server alone sets.
pub(crate) fn paths(object: &Value) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    collect(object, "", &mut Vec::new(), &mut found);
    found.retain(|path| !is_servers(path));
    found
}

/// What nobody owns: it says which object it is, or is the API server's.
fn is_servers(path: &[String]) -> bool {
    const METADATA: [&str; 10] = [
        "f:name",
        "f:namespace",
        "f:uid",
        "f:resourceVersion",
        "f:generation",
        "f:creationTimestamp",
        "f:deletionTimestamp",
        "f:deletionGracePeriodSeconds",
        "f:managedFields",
        "f:generateName",
    ];
    match path {
        [first, ..] if first == "f:apiVersion" || first == "f:kind" => true,
        [first, second, ..] if first == "f:metadata" => METADATA.contains(&second.as_str()),
        _ => false,
    }
}

fn collect(value: &Value, name: &str, at: &mut Path, found: &mut BTreeSet<Path>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                at.push(format!("f:{name}"));
                collect(member, name, at, found);
                at.pop();
            }
        }
        Value::Array(elements) if !elements.is_empty() => match list(name) {
            List::Whole => drop(found.insert(at.clone())),
            List::Set => {
                for element in elements {
                    at.push(format!("v:{element}"));
                    found.insert(at.clone());
                    at.pop();
                }
            }
            List::By(keys) => {
                for element in elements {
                    at.push(key(element, keys));
                    found.insert(at.clone());
                    collect(element, "", at, found);
                    at.pop();
                }
            }
        },
        _ => drop(found.insert(at.clone())),
    }
}

fn key(element: &Value, keys: &[&str]) -> String {
    let keys: Map<String, Value> =
        keys.iter().filter_map(|name| Some(((*name).to_owned(), element.get(*name)?.clone()))).collect();
    format!("k:{}", Value::Object(keys))
}

/// Whether the element of a list has these keys.
fn has_keys(element: &Value, keys: &Map<String, Value>) -> bool {
    keys.iter().all(|(name, value)| element.get(name) == Some(value))
}

fn keys_of(step: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(step.strip_prefix("k:")?).ok()
}

/// What is at the path.
pub(crate) fn get<'v>(object: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(object, |value, step| {
        if let Some(name) = step.strip_prefix("f:") {
            return value.get(name);
        }
        let elements = value.as_array()?;
        if let Some(wanted) = step.strip_prefix("v:") {
            let wanted: Value = serde_json::from_str(wanted).ok()?;
            return elements.iter().find(|element| **element == wanted);
        }
        let keys = keys_of(step)?;
        elements.iter().find(|element| has_keys(element, &keys))
    })
}

/// Takes away what is at the path, and what is empty then.
pub(crate) fn remove(object: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else { return };
    match object {
        Value::Object(members) => {
            let Some(name) = step.strip_prefix("f:") else { return };
            if rest.is_empty() {
                members.remove(name);
            } else if let Some(member) = members.get_mut(name) {
                remove(member, rest);
                if is_empty(member) {
                    members.remove(name);
                }
            }
        }
        Value::Array(elements) => {
            let keys = keys_of(step);
            let wanted: Option<Value> = step.strip_prefix("v:").and_then(|text| serde_json::from_str(text).ok());
            let is = |element: &Value| match &keys {
                Some(keys) => has_keys(element, keys),
                None => wanted.as_ref() == Some(element),
            };
            if rest.is_empty() {
                elements.retain(|element| !is(element));
            } else if let Some(element) = elements.iter_mut().find(|element| is(element)) {
                remove(element, rest);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        _ => false,
    }
}

/// Puts what is applied over what is there.
pub(crate) fn merge(there: &mut Value, applied: &Value, name: &str) {
    match (there, applied) {
        (Value::Object(there), Value::Object(applied)) => {
            for (name, value) in applied {
                if value.is_null() {
                    there.remove(name);
                    continue;
                }
                merge(there.entry(name.clone()).or_insert(Value::Null), value, name);
            }
        }
        (Value::Array(there), Value::Array(applied)) => match list(name) {
            List::Whole => there.clone_from(applied),
            List::Set => {
                for element in applied {
                    if !there.contains(element) {
                        there.push(element.clone());
                    }
                }
            }
            List::By(names) => {
                for element in applied {
                    let step = key(element, names);
                    let keys = keys_of(&step).unwrap_or_default();
                    match there.iter_mut().find(|own| has_keys(own, &keys)) {
                        Some(own) => merge(own, element, ""),
                        None => there.push(element.clone()),
                    }
                }
            }
        },
        (there, applied) => *there = applied.clone(),
    }
}

/// RFC 7386.
pub(crate) fn merge_patch(there: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *there = patch.clone();
        return;
    };
    if !there.is_object() {
        *there = Value::Object(Map::new());
    }
    let Value::Object(members) = there else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            merge_patch(members.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// The paths as `fieldsV1`.
pub(crate) fn to_tree(paths: &BTreeSet<Path>) -> Value {
    let mut tree = Value::Object(Map::new());
    for path in paths {
        let mut at = &mut tree;
        for step in path {
            let Value::Object(members) = at else { break };
            at = members.entry(step.clone()).or_insert_with(|| Value::Object(Map::new()));
        }
        // An element of a list stands for itself, beside what is in it.
        if path.last().is_some_and(|step| step.starts_with("k:"))
            && let Value::Object(members) = at
        {
            members.insert(".".to_owned(), Value::Object(Map::new()));
        }
    }
    tree
}

/// `fieldsV1` as paths.
pub(crate) fn of_tree(tree: &Value) -> BTreeSet<Path> {
    fn walk(tree: &Value, at: &mut Path, found: &mut BTreeSet<Path>) {
        let members = tree.as_object();
        if members.is_none_or(Map::is_empty) {
            found.insert(at.clone());
            return;
        }
        for (step, below) in members.into_iter().flatten() {
            if step == "." {
                found.insert(at.clone());
                continue;
            }
            at.push(step.clone());
            walk(below, at, found);
            at.pop();
        }
    }
    let mut found = BTreeSet::new();
    walk(tree, &mut Vec::new(), &mut found);
    found.remove(&Vec::new());
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_set_is_written_and_read_as_a_tree() {
        let object = json!({
            "metadata": { "name": "a", "labels": { "x": "y" }, "finalizers": ["f"] },
            "spec": { "containers": [{ "name": "c", "args": ["a", "b"] }], "empty": {} },
        });
        let found = paths(&object);
        assert!(
            !found.iter().any(|path| path.contains(&"f:name".to_owned()) && path.len() == 2),
            "the name is nobody's"
        );
        assert_eq!(of_tree(&to_tree(&found)), found);
        let args = ["f:spec", "f:containers", "k:{\"name\":\"c\"}", "f:args"].map(str::to_owned);
        assert_eq!(get(&object, &args), Some(&json!(["a", "b"])));
    }

    #[test]
    fn lists_with_keys_are_merged_and_others_replaced() {
        let mut there = json!({ "containers": [{ "name": "a", "image": "1" }, { "name": "b" }], "args": [1, 2] });
        merge(&mut there, &json!({ "containers": [{ "name": "a", "tty": true }, { "name": "c" }], "args": [3] }), "");
        let wanted = json!({
            "containers": [{ "name": "a", "image": "1", "tty": true }, { "name": "b" }, { "name": "c" }], "args": [3],
        });
        assert_eq!(there, wanted);
    }

    #[test]
    fn what_is_taken_away_leaves_nothing_empty() {
        let mut object =
            json!({ "metadata": { "labels": { "a": "1" }, "name": "x" }, "list": [{ "name": "a", "b": 1 }] });
        remove(&mut object, &["f:metadata", "f:labels", "f:a"].map(str::to_owned));
        assert_eq!(object.pointer("/metadata"), Some(&json!({ "name": "x" })));
    }

    #[test]
    fn a_merge_patch_is_that_of_the_rfc() {
        let mut object = json!({ "a": { "b": 1, "c": 2 }, "d": [1] });
        merge_patch(&mut object, &json!({ "a": { "b": null, "e": 3 }, "d": [2, 3] }));
        assert_eq!(object, json!({ "a": { "c": 2, "e": 3 }, "d": [2, 3] }));
    }
}
