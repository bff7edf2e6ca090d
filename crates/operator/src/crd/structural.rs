//! From a JSON schema to a structural one, as Kubernetes wants it: no references, no alternatives of types, no closed objects.

use serde_json::{Map, Value, json};

/// What says nothing there, or may not be there.
const DROPPED: [&str; 6] = ["title", "$schema", "uniqueItems", "writeOnly", "readOnly", "deprecated"];
/// Formats that an API server looks at.
const FORMATS: [&str; 4] = ["int32", "int64", "double", "date-time"];

/// The schema as a structural one.
pub(super) fn of(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => object(members),
        // Anything at all.
        _ => anything(),
    }
}

fn anything() -> Value {
    json!({ "x-kubernetes-preserve-unknown-fields": true })
}

fn object(members: &Map<String, Value>) -> Value {
    if let Some(plain) = alternative(members) {
        return plain;
    }
    let mut made = Map::new();
    for (name, value) in members.iter().filter(|(name, _)| !DROPPED.contains(&name.as_str())) {
        match name.as_str() {
            "type" => {
                made.insert("type".to_owned(), single(value));
            }
            "const" => {
                made.insert("enum".to_owned(), json!([value]));
            }
            "enum" => {
                let values = value.as_array().into_iter().flatten().filter(|value| !value.is_null());
                made.insert("enum".to_owned(), values.cloned().collect());
            }
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                let properties: Map<String, Value> = properties.map(|(name, one)| (name.clone(), of(one))).collect();
                made.insert("properties".to_owned(), properties.into());
            }
            "items" => {
                made.insert("items".to_owned(), of(value));
            }
            "additionalProperties" => match value {
                Value::Bool(false) => {}
                Value::Bool(true) => {
                    made.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
                }
                other => {
                    made.insert("additionalProperties".to_owned(), of(other));
                }
            },
            "format" if !value.as_str().is_some_and(|format| FORMATS.contains(&format)) => {}
            "default" if is_nothing(value) => {}
            "default" => {
                made.insert("default".to_owned(), without_nothing(value));
            }
            "description" => {
                made.insert(
                    "description".to_owned(),
                    value.as_str().unwrap_or_default().trim().replace('\n', " ").into(),
                );
            }
            _ => {
                made.insert(name.clone(), value.clone());
            }
        }
    }
    if made.is_empty() || (made.len() == 1 && made.contains_key("description")) {
        made.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
    }
    // With both, an API server takes no further properties.
    if made.contains_key("properties") {
        made.remove("additionalProperties");
    }
    Value::Object(made)
}

/// `Option<T>` is `T`, and an enumeration whose values are described is one list of them.
fn alternative(members: &Map<String, Value>) -> Option<Value> {
    let all = ["anyOf", "oneOf"].into_iter().find_map(|name| members.get(name)?.as_array())?;
    let real: Vec<&Value> = all.iter().filter(|one| one.get("type") != Some(&json!("null"))).collect();
    let about = members.get("description").and_then(Value::as_str);
    let mut made = match real.as_slice() {
        [one] => of(one),
        several => json!({ "type": "string", "enum": values(several) }),
    };
    if made.pointer("/enum").is_some_and(Value::is_null) {
        return Some(anything());
    }
    let object = made.as_object_mut()?;
    if let Some(about) = about {
        object.insert("description".to_owned(), about.trim().replace('\n', " ").into());
    }
    if let Some(default) = members.get("default").filter(|default| !is_nothing(default)) {
        object.insert("default".to_owned(), without_nothing(default));
    }
    Some(made)
}

/// The type beside `null`.
fn single(value: &Value) -> Value {
    match value.as_array() {
        Some(all) => all.iter().find(|one| one.as_str() != Some("null")).cloned().unwrap_or_default(),
        None => value.clone(),
    }
}

/// A default that is nothing is none: what is absent is absent.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        _ => false,
    }
}

fn without_nothing(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !is_nothing(value));
            Value::Object(members.map(|(name, value)| (name.clone(), without_nothing(value))).collect())
        }
        other => other.clone(),
    }
}

/// The texts that there are to choose from. `None` when one of them is something else.
fn values(all: &[&Value]) -> Option<Vec<Value>> {
    let mut values: Vec<Value> = Vec::new();
    for one in all {
        match (one.get("const"), one.get("enum").and_then(Value::as_array)) {
            (Some(value), _) => values.push(value.clone()),
            (None, Some(several)) => values.extend(several.iter().cloned()),
            (None, None) => return None,
        }
    }
    Some(values)
}
