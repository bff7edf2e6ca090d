//! As much of JSON Schema as the published schema uses.

use serde_json::{Map, Value};

/// Whether the schema accepts the document. A keyword that is not known here ends the test, so that none goes unchecked.
pub(super) fn accepts(schema: &Value, document: &Value) -> Result<(), String> {
    check(schema, schema, document, "")
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let rules = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Bool(false) => return Err(format!("{at} must not be there")),
        Value::Object(rules) => rules,
        other => panic!("no schema: {other}"),
    };
    for (keyword, rule) in rules {
        holds(root, rules, keyword, rule, value, at)?;
    }
    Ok(())
}

fn holds(
    root: &Value,
    rules: &Map<String, Value>,
    keyword: &str,
    rule: &Value,
    value: &Value,
    at: &str,
) -> Result<(), String> {
    let all = || rule.as_array().expect("a list").iter().map(|one| check(root, one, value, at));
    let good = match keyword {
        "$schema" | "$defs" | "title" | "description" | "default" | "format" | "writeOnly" | "examples" => true,
        "$ref" => {
            let pointer = rule.as_str().expect("text").strip_prefix('#').expect("a reference within");
            return check(root, root.pointer(pointer).expect("what is referred to"), value, at);
        }
        "anyOf" => all().any(|one| one.is_ok()),
        "oneOf" => all().flatten().count() == 1,
        "type" => match rule {
            Value::Array(types) => types.iter().any(|one| is(one, value)),
            one => is(one, value),
        },
        "const" => rule == value,
        "enum" => rule.as_array().expect("a list").contains(value),
        "required" => {
            rule.as_array().expect("a list").iter().all(|name| value.get(name.as_str().expect("text")).is_some())
        }
        "minLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 >= number(rule)),
        "pattern" => {
            // The only one there is: what a name may be made of.
            assert_eq!(rule, "^[A-Za-z0-9][A-Za-z0-9._-]*$");
            let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            value
                .as_str()
                .is_none_or(|text| text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(good))
        }
        "maxLength" => value.as_str().is_none_or(|text| text.chars().count() as u64 <= number(rule)),
        "minimum" => value.as_f64().is_none_or(|seen| seen >= rule.as_f64().expect("a number")),
        "maximum" => value.as_f64().is_none_or(|seen| seen <= rule.as_f64().expect("a number")),
        "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= number(rule)),
        "minProperties" => value.as_object().is_none_or(|members| members.len() as u64 >= number(rule)),
        "maxProperties" => value.as_object().is_none_or(|members| members.len() as u64 <= number(rule)),
        "items" => {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                check(root, rule, item, &format!("{at}/{index}"))?;
            }
            true
        }
        "properties" => {
            for (name, rule) in rule.as_object().expect("an object") {
                if let Some(member) = value.get(name) {
                    check(root, rule, member, &format!("{at}/{name}"))?;
                }
            }
            true
        }
        "propertyNames" => {
            for name in value.as_object().into_iter().flat_map(Map::keys) {
                check(root, rule, &Value::String(name.clone()), at)?;
            }
            true
        }
        "additionalProperties" => {
            let known = rules.get("properties").and_then(Value::as_object);
            for (name, member) in value.as_object().into_iter().flatten() {
                if known.is_none_or(|known| !known.contains_key(name)) {
                    check(root, rule, member, &format!("{at}/{name}"))?;
                }
            }
            true
        }
        other => panic!("the schema uses {other}, which this test does not know"),
    };
    if good { Ok(()) } else { Err(format!("{at}: {keyword} {rule} does not hold")) }
}

fn number(rule: &Value) -> u64 {
    rule.as_u64().expect("a number")
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("text") {
        "string" => value.is_string(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("no type: {other}"),
    }
}
