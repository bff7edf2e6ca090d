//! Which parameters a request may carry.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Rules;

/// Whether the body's top-level parameters are as the rules say. Names compare in lower case. `Err` names the rule that
/// failed.
pub(super) fn check(rules: &Rules, body: &Map<String, Value>) -> Result<(), &'static str> {
    let sent: BTreeMap<String, &Value> = body.iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
    if rules.required.iter().any(|name| !sent.contains_key(name)) {
        return Err("required_parameters");
    }
    if !rules.denied.is_empty() && !sent.is_empty() {
        let all = rules.denied.contains_key("*");
        let denied =
            |(name, value): (&String, &&Value)| rules.denied.get(name).is_some_and(|list| in_list(value, list));
        if all || sent.iter().any(denied) {
            return Err("denied_parameters");
        }
    }
    if rules.allowed.is_empty() {
        return Ok(());
    }
    let any_name = rules.allowed.contains_key("*");
    let allowed = |(name, value): (&String, &&Value)| match rules.allowed.get(name) {
        Some(list) => in_list(value, list),
        None => any_name,
    };
    if sent.iter().all(allowed) { Ok(()) } else { Err("allowed_parameters") }
}

/// An empty list is any value.
fn in_list(value: &Value, list: &[Value]) -> bool {
    list.is_empty() || list.iter().any(|wanted| equal(wanted, value))
}

/// Texts may have a `*` at the start, at the end or at both.
fn equal(wanted: &Value, value: &Value) -> bool {
    let (Value::String(wanted), Value::String(value)) = (wanted, value) else { return wanted == value };
    let (starts_open, rest) = match wanted.strip_prefix('*') {
        Some(rest) => (true, rest),
        None => (false, wanted.as_str()),
    };
    let (ends_open, rest) = match rest.strip_suffix('*') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    match (starts_open, ends_open) {
        (false, false) => value == rest,
        (true, false) => value.ends_with(rest),
        (false, true) => value.starts_with(rest),
        (true, true) => value.contains(rest),
    }
}
