//! The configuration file in a ConfigMap.

use carnet_core::hex;
use carnet_jose::sha256;
use serde_json::{Map, Value, json};

/// The file `carnet.toml` with one section: what is typed, over what the custom resource adds.
///
/// # Errors
/// When what it adds has no form in TOML.
pub(super) fn file(section: &str, more: &Map<String, Value>, typed: Value) -> Result<String, String> {
    let mut all = Value::Object(more.clone());
    merge(&mut all, typed);
    toml::to_string(&json!({ "version": 1, section: bare(all) })).map_err(|error| format!("config: {error}"))
}

/// What changes whenever the text does.
pub(super) fn digest(texts: &[&str]) -> String {
    hex(sha256(texts.join("\n").as_bytes()).get(..16).unwrap_or_default())
}

/// Puts tables into tables; everything else in the place of what is there.
fn merge(there: &mut Value, over: Value) {
    match (there, over) {
        (Value::Object(there), Value::Object(over)) => {
            for (name, value) in over {
                merge(there.entry(name).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (there, over) => *there = over,
    }
}

/// Without nulls, for which TOML has no word.
fn bare(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(members.map(|(name, value)| (name, bare(value))).collect())
        }
        Value::Array(elements) => elements.into_iter().filter(|value| !value.is_null()).map(bare).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_counts_before_what_is_added() {
        let more = json!({"listen": {"public": "1.2.3.4:1", "admin_uids": [7]}, "issuer": "x", "nothing": null});
        let Value::Object(more) = more else { panic!("an object") };
        let text =
            file("authority", &more, json!({"issuer": "https://a.example", "listen": {"public": "0.0.0.0:8080"}}))
                .unwrap();
        let read: Value = toml::from_str(&text).unwrap();
        let wanted = json!({"version": 1, "authority": {
            "issuer": "https://a.example", "listen": {"public": "0.0.0.0:8080", "admin_uids": [7]},
        }});
        assert_eq!(read, wanted);
    }
}
