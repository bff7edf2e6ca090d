//! How much memory secrets take, as far as it can be told from outside.

use http::StatusCode;
use serde_json::{Map, Value};

use crate::reply::ApiError;

/// Most that all secrets of a server take together, in bytes. A real server has its storage's bound.
pub(crate) const MAX_STORED: usize = 64 << 20;
/// What a value takes beside its texts, and an entry beside its values.
const NODE: usize = 64;

/// What an entry of this name takes beside its data.
pub(super) fn of_entry(name: &str) -> usize {
    name.len().saturating_add(2 * NODE)
}

/// What data take. Bodies are read to a depth of 128, so this ends.
pub(crate) fn of_data(data: &Map<String, Value>) -> usize {
    let member = |(name, value): (&String, &Value)| name.len().saturating_add(NODE).saturating_add(of_value(value));
    data.iter().map(member).fold(NODE, usize::saturating_add)
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::Object(members) => of_data(members),
        Value::Array(values) => values.iter().map(of_value).fold(NODE, usize::saturating_add),
        Value::String(text) => text.len().saturating_add(NODE),
        Value::Null | Value::Bool(_) | Value::Number(_) => NODE,
    }
}

/// Refuses what there is no room for.
///
/// # Errors
/// UNCONFIRMED status: the text is that of Vault's storage for one value that is too large.
pub(super) fn check(weight: usize, room: usize) -> Result<(), ApiError> {
    if weight <= room {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, ["put failed due to value being too large"]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn small_values_weigh_more_than_they_are_long() {
        let of = |value: Value| of_data(value.as_object().unwrap());
        assert!(of(json!({ "a": vec![0; 1000] })) >= 64 * 1000);
        assert!(of(json!({ "a": { "b": "x".repeat(1000) } })) >= 1000);
        assert!(of(json!({})) > 0 && of_entry("a") > 0);
    }

    #[test]
    fn rejects_what_there_is_no_room_for() {
        assert!(check(5, 5).is_ok());
        assert_eq!(check(6, 5).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
