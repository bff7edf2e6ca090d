//! Finding claims by their names in rules.

use serde_json::{Map, Value};

/// The claim of this name; if there is none, `a/b` is the member `b` of the claim `a`, as in `kubernetes.io/namespace`.
pub(crate) fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('/')?;
    rest.split('/').try_fold(claims.get(first)?, |value, member| value.as_object()?.get(member))
}

/// Whether a claim is, or holds, one of the values wanted: a single one or a list of them. Values are compared with their types: `1` is not
/// `"1"`.
pub(crate) fn fits(seen: &Value, wanted: &Value) -> bool {
    let one = |seen: &Value| match wanted {
        Value::Array(wanted) => wanted.contains(seen),
        wanted => wanted == seen,
    };
    match seen {
        Value::Array(seen) => seen.iter().any(one),
        seen => one(seen),
    }
}

/// A value as it may stand in an audit row.
pub(crate) fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => carnet_core::safe_text(text),
        Some(value) => carnet_core::safe_text(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_a_claim_or_a_path() {
        let claims = json!({"a/b": 1, "kubernetes.io": {"serviceaccount": {"name": "web"}}, "x": {"y": 2}});
        let claims = claims.as_object().unwrap();
        assert_eq!(find(claims, "a/b"), Some(&json!(1)));
        assert_eq!(find(claims, "kubernetes.io/serviceaccount/name"), Some(&json!("web")));
        assert_eq!(find(claims, "x/y"), Some(&json!(2)));
        assert_eq!(find(claims, "x/z"), None);
        assert_eq!(find(claims, "a/b/c"), None);
    }

    #[test]
    fn a_value_fits_with_its_type() {
        assert!(fits(&json!("a"), &json!("a")) && fits(&json!("a"), &json!(["b", "a"])));
        assert!(fits(&json!(["x", "a"]), &json!("a")));
        assert!(!fits(&json!("1"), &json!(1)) && !fits(&json!([]), &json!("a")) && !fits(&json!("a"), &json!([])));
    }
}
