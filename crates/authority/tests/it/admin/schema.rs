//! Whether a value is what a schema of the document says. Words of JSON Schema that the document does not use are mistakes.

use serde_json::Value;

/// What is wrong, each with its place.
pub(crate) fn mistakes(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(document, schema, value, "$", &mut found);
    found
}

fn look(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let Some(schema) = schema.as_object() else {
        if schema == &Value::Bool(false) {
            found.push(format!("{place}: nothing may be here"));
        }
        return;
    };
    for (word, wanted) in schema {
        match word.as_str() {
            "$ref" => {
                let pointer = wanted.as_str().unwrap().trim_start_matches('#');
                let target = document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere"));
                look(document, target, value, place, found);
            }
            "type" => {
                let kinds = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
                if !kinds.iter().any(|kind| is(value, kind.as_str().unwrap())) {
                    found.push(format!("{place}: {value} is not {wanted}"));
                }
            }
            "const" if value != wanted => found.push(format!("{place}: {value} is not {wanted}")),
            "enum" if !wanted.as_array().unwrap().contains(value) => {
                found.push(format!("{place}: {value} is none of {wanted}"));
            }
            "minimum" if value.as_f64().is_some_and(|value| value < wanted.as_f64().unwrap()) => {
                found.push(format!("{place}: {value} is less than {wanted}"));
            }
            "maximum" if value.as_f64().is_some_and(|value| value > wanted.as_f64().unwrap()) => {
                found.push(format!("{place}: {value} is more than {wanted}"));
            }
            "required" if value.is_object() => {
                for name in wanted.as_array().unwrap().iter().filter(|name| value.get(name.as_str().unwrap()).is_none())
                {
                    found.push(format!("{place}: {name} is missing"));
                }
            }
            "properties" => {
                for (name, schema) in wanted.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        look(document, schema, member, &format!("{place}.{name}"), found);
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, member) in value.as_object().into_iter().flatten() {
                    if !known.is_some_and(|known| known.contains_key(name)) {
                        look(document, wanted, member, &format!("{place}.{name}"), found);
                    }
                }
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    look(document, wanted, item, &format!("{place}[{at}]"), found);
                }
            }
            "allOf" => wanted.as_array().unwrap().iter().for_each(|one| look(document, one, value, place, found)),
            "anyOf" | "oneOf" => {
                let fits = wanted.as_array().unwrap().iter().any(|one| mistakes(document, one, value).is_empty());
                if !fits {
                    found.push(format!("{place}: {value} fits none of {word}"));
                }
            }
            "const" | "enum" | "minimum" | "maximum" | "required" | "title" | "description" | "default" | "format"
            | "uniqueItems" => {}
            other => panic!("the document uses {other:?}, which nobody looks at here"),
        }
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other:?} is no type"),
    }
}

#[test]
fn it_finds_what_is_wrong() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": ["string", "null"] }, "b": { "type": "array", "items": { "type": "integer" } } },
    });
    let wrong = |value: Value| mistakes(&Value::Null, &schema, &value).len();
    assert_eq!(wrong(serde_json::json!({ "a": null, "b": [1] })), 0);
    assert_eq!(wrong(serde_json::json!({ "a": 1 })), 1);
    assert_eq!(wrong(serde_json::json!({ "b": ["x"] })), 2);
    assert_eq!(wrong(serde_json::json!({ "a": "", "c": 1 })), 1);
}
