//! What a definition asks of its objects ("Extend the Kubernetes API with CustomResourceDefinitions"): members that it does not know are dropped, defaults are
//! filled in, and the rest must be as the schema has it.
//!
//! Known: `type`, `properties`, `required`, `items`, `additionalProperties`, `enum`, `pattern`, `minLength`, `maxLength`, `minimum`, `maximum`, `minItems`,
//! `maxItems`, `maxProperties`, `format: int32`, `nullable`, `default`, `x-kubernetes-preserve-unknown-fields`, `x-kubernetes-int-or-string`,
//! `x-kubernetes-validations` within the bounds of the CEL here.

use serde_json::{Map, Value};

use crate::compiled;

/// Drops what the schema does not know and fills in its defaults, below `spec` and `status`; metadata is nobody's business.
pub(crate) fn shape(object: &mut Value, schema: &Value) {
    let Some(members) = object.as_object_mut() else { return };
    let known = schema.get("properties").and_then(Value::as_object);
    members.retain(|name, _| {
        matches!(name.as_str(), "apiVersion" | "kind" | "metadata")
            || known.is_some_and(|known| known.contains_key(name))
    });
    for (name, below) in known.into_iter().flatten().filter(|(name, _)| *name != "metadata") {
        if let Some(member) = members.get_mut(name) {
            shape_value(member, below);
        }
    }
}

fn shape_value(value: &mut Value, schema: &Value) {
    let keeps = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    match value {
        Value::Object(members) => {
            let known = schema.get("properties").and_then(Value::as_object);
            let others = schema.get("additionalProperties").filter(|others| others.is_object());
            if !keeps && others.is_none() {
                members.retain(|name, _| known.is_some_and(|known| known.contains_key(name)));
            }
            for (name, below) in known.into_iter().flatten() {
                // A null where none may be stands for nothing.
                let may_be_null = below.get("nullable") == Some(&Value::Bool(true));
                if members.get(name).is_some_and(Value::is_null) && !may_be_null {
                    members.remove(name);
                }
                if let (false, Some(default)) = (members.contains_key(name), below.get("default")) {
                    members.insert(name.clone(), default.clone());
                }
                if let Some(member) = members.get_mut(name) {
                    shape_value(member, below);
                }
            }
            if let Some(others) = others {
                for (_, member) in members.iter_mut() {
                    shape_value(member, others);
                }
            }
        }
        Value::Array(elements) => {
            if let Some(items) = schema.get("items") {
                for element in elements {
                    shape_value(element, items);
                }
            }
        }
        _ => {}
    }
}

/// What is wrong with the object, each as `PATH: what`. `old` is what it was, for rules that compare.
pub(crate) fn check(object: &Value, old: Option<&Value>, schema: &Value) -> Vec<String> {
    let mut mistakes = Vec::new();
    check_value(object, old, schema, "", &mut mistakes);
    mistakes
}

fn check_value(value: &Value, old: Option<&Value>, schema: &Value, at: &str, mistakes: &mut Vec<String>) {
    let shown = if at.is_empty() { "<nil>" } else { at };
    let mut wrong = |what: String| mistakes.push(format!("{shown}: {what}"));
    if value.is_null() && schema.get("nullable") == Some(&Value::Bool(true)) {
        return;
    }
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        if !(value.is_string() || value.is_i64() || value.is_u64()) {
            wrong("Invalid value: must be an integer or a string".to_owned());
        }
        return;
    }
    if let Some(kind) = schema.get("type").and_then(Value::as_str)
        && !is_of(value, kind)
    {
        return wrong(format!("Invalid value: {value}: must be of type {kind}"));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        wrong(format!("Unsupported value: {value}: supported values: {}", allowed.join(", ")));
    }
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let outside = |seen: f64, least: &str, most: &str| {
        bound(least).is_some_and(|least| seen < least) || bound(most).is_some_and(|most| seen > most)
    };
    match value {
        Value::String(text) => {
            if outside(count(text.chars().count()), "minLength", "maxLength") {
                wrong("Invalid value: too short or too long".to_owned());
            }
            if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
                && !compiled::pattern(pattern).as_ref().as_ref().is_some_and(|pattern| pattern.is_match(text))
            {
                wrong(format!("Invalid value: {value}: in body should match '{pattern}'"));
            }
        }
        Value::Number(number) => {
            let int32 = schema.get("format").and_then(Value::as_str) == Some("int32");
            let fits = !int32 || number.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
            if !fits || outside(number.as_f64().unwrap_or_default(), "minimum", "maximum") {
                wrong(format!("Invalid value: {value}: is not in the range"));
            }
        }
        Value::Array(elements) => {
            if outside(count(elements.len()), "minItems", "maxItems") {
                wrong("Invalid value: too few or too many items".to_owned());
            }
            if let Some(items) = schema.get("items") {
                for (index, element) in elements.iter().enumerate() {
                    check_value(element, None, items, &format!("{at}[{index}]"), mistakes);
                }
            }
        }
        Value::Object(members) => {
            if outside(count(members.len()), "minProperties", "maxProperties") {
                wrong("Invalid value: too few or too many properties".to_owned());
            }
            check_members(members, old, schema, at, mistakes);
        }
        _ => {}
    }
    check_rules(value, old, schema, shown, mistakes);
}

fn check_members(
    members: &Map<String, Value>,
    old: Option<&Value>,
    schema: &Value,
    at: &str,
    mistakes: &mut Vec<String>,
) {
    let place = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    for name in required.filter_map(Value::as_str).filter(|name| !members.contains_key(*name)) {
        mistakes.push(format!("{}: Required value", place(name)));
    }
    let known = schema.get("properties").and_then(Value::as_object);
    let others = schema.get("additionalProperties").filter(|others| others.is_object());
    for (name, member) in members {
        let below = known.and_then(|known| known.get(name)).or(others);
        if let Some(below) = below {
            check_value(member, old.and_then(|old| old.get(name)), below, &place(name), mistakes);
        }
    }
}

fn check_rules(value: &Value, old: Option<&Value>, schema: &Value, shown: &str, mistakes: &mut Vec<String>) {
    let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
    for rule in rules.into_iter().flatten() {
        let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
        let source = text("rule");
        let compiled = compiled::rule(source);
        let expression = match compiled.as_ref() {
            Ok(expression) => expression,
            Err(error) => {
                mistakes.push(format!("{shown}: the rule {source} cannot be compiled: {error}"));
                continue;
            }
        };
        let compares = expression.variables().iter().any(|name| name == "oldSelf");
        let held = match (old, compares) {
            // A rule that compares is not asked of what is new.
            (None, true) => continue,
            (Some(old), true) => expression.evaluate(&[("self", value), ("oldSelf", old)]),
            (_, false) => expression.evaluate(&[("self", value)]),
        };
        match held {
            Ok(Value::Bool(true)) => {}
            Ok(_) => mistakes.push(format!("{shown}: Invalid value: {}", text("message"))),
            Err(error) => mistakes.push(format!("{shown}: Invalid value: the rule {source} fails: {error}")),
        }
    }
}

/// What a definition itself must be: a structural schema. The parts of the rule that generated ones break.
pub(crate) fn check_definition(definition: &Value) -> Vec<String> {
    let mut mistakes = Vec::new();
    let text = |path: &str| definition.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let wanted = format!("{}.{}", text("/spec/names/plural"), text("/spec/group"));
    if text("/metadata/name") != wanted {
        mistakes.push(format!("metadata.name: Invalid value: must be {wanted}"));
    }
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array).cloned().unwrap_or_default();
    if versions.iter().filter(|version| version.get("storage") == Some(&Value::Bool(true))).count() != 1 {
        mistakes
            .push("spec.versions: Invalid value: must have exactly one version marked as storage version".to_owned());
    }
    for version in &versions {
        match version.pointer("/schema/openAPIV3Schema") {
            Some(schema) => structural(schema, "schema.openAPIV3Schema", &mut mistakes),
            None => {
                mistakes.push("spec.versions.schema.openAPIV3Schema: Required value: schemas are required".to_owned());
            }
        }
    }
    mistakes
}

/// "Specifying a structural schema".
fn structural(schema: &Value, at: &str, mistakes: &mut Vec<String>) {
    let Some(members) = schema.as_object() else {
        return mistakes.push(format!("{at}: must be an object"));
    };
    let is_any = members.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true))
        || members.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if !is_any && !members.get("type").is_some_and(Value::is_string) {
        mistakes.push(format!("{at}.type: Required value: must not be empty for specified object fields"));
    }
    for never in
        ["$ref", "definitions", "$defs", "patternProperties", "dependencies", "deprecated", "id", "const", "title"]
    {
        // `title` may be there, and says nothing that the description does not.
        if members.contains_key(never) {
            mistakes.push(format!("{at}.{never}: Forbidden"));
        }
    }
    if members.contains_key("properties") && members.contains_key("additionalProperties") {
        mistakes.push(format!(
            "{at}.additionalProperties: Forbidden: properties and additionalProperties are mutually exclusive"
        ));
    }
    if members.get("additionalProperties").is_some_and(Value::is_boolean) {
        mistakes.push(format!("{at}.additionalProperties: Forbidden: must not be used as a boolean here"));
    }
    for (name, below) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if !(at.ends_with("openAPIV3Schema") && name == "metadata") {
            structural(below, &format!("{at}.properties[{name}]"), mistakes);
        }
    }
    if let Some(items) = members.get("items") {
        structural(items, &format!("{at}.items"), mistakes);
    }
    if let Some(others) = members.get("additionalProperties").filter(|others| others.is_object()) {
        structural(others, &format!("{at}.additionalProperties"), mistakes);
    }
    for rule in members.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
        let source = rule.get("rule").and_then(Value::as_str).unwrap_or_default();
        if let Err(error) = compiled::rule(source).as_ref() {
            mistakes.push(format!("{at}.x-kubernetes-validations: {source}: {error}"));
        }
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    }
}

#[expect(clippy::cast_precision_loss, reason = "lengths are compared with bounds of a few thousand")]
const fn count(length: usize) -> f64 {
    length as f64
}
