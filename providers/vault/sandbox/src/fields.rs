//! Fields of a body as the server's own reader takes them: of their JSON type, or as its text, which is all that a form can
//! send. Any other type is refused, and never passed over: what was passed over would count as not sent.

use jiff::SignedDuration;
use serde_json::{Map, Value};

use crate::{duration, reply::ApiError};

/// A list of names: an array of texts, or one text with commas between them. Nothing, `null` and what is empty are an empty list.
///
/// # Errors
/// 400 for any other type, and for a list of empty names.
pub(crate) fn names(body: &Map<String, Value>, field: &str) -> Result<Vec<String>, ApiError> {
    let sent: Option<Vec<&str>> = match body.get(field) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => return Ok(Vec::new()),
        Some(Value::String(text)) => Some(text.split(',').collect()),
        Some(Value::Array(values)) => values.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    let sent = sent.ok_or_else(|| wrong(field))?;
    let names: Vec<String> =
        sent.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect();
    if names.is_empty() && !sent.is_empty() { Err(wrong(field)) } else { Ok(names) }
}

/// A truth value, in the words of Go's `strconv.ParseBool` where it is a text.
///
/// # Errors
/// 400.
pub(crate) fn flag(body: &Map<String, Value>, field: &str, default: bool) -> Result<bool, ApiError> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(wrong(field)),
        },
        Some(_) => Err(wrong(field)),
    }
}

/// A text; empty where nothing is sent.
///
/// # Errors
/// 400.
pub(crate) fn text<'a>(body: &'a Map<String, Value>, field: &str) -> Result<&'a str, ApiError> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(wrong(field)),
    }
}

/// A whole number; 0 where nothing is sent.
///
/// # Errors
/// 400.
pub(crate) fn whole(body: &Map<String, Value>, field: &str) -> Result<i64, ApiError> {
    let number = match body.get(field) {
        None | Some(Value::Null) => Some(0),
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    number.ok_or_else(|| wrong(field))
}

/// A span of time that is not negative; zero where nothing is sent.
///
/// # Errors
/// 400.
pub(crate) fn span(body: &Map<String, Value>, field: &str) -> Result<SignedDuration, ApiError> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(SignedDuration::ZERO),
        Some(value) => duration::parse(value).filter(|span| !span.is_negative()).ok_or_else(|| wrong(field)),
    }
}

fn wrong(field: &str) -> ApiError {
    ApiError::bad(format!("error converting input for field {field:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        Map::from_iter([("x".to_owned(), value)])
    }

    #[test]
    fn a_field_may_come_as_a_text() {
        assert_eq!(names(&body(json!("a, b,,c")), "x").unwrap(), ["a", "b", "c"]);
        assert_eq!(names(&body(json!(["a"])), "x").unwrap(), ["a"]);
        assert!(names(&body(json!("")), "x").unwrap().is_empty() && names(&body(json!([])), "x").unwrap().is_empty());
        assert!(flag(&body(json!("true")), "x", false).unwrap() && !flag(&body(json!("0")), "x", true).unwrap());
        assert_eq!(whole(&body(json!("3")), "x").unwrap(), 3);
        assert_eq!(span(&body(json!("1m")), "x").unwrap(), SignedDuration::from_secs(60));
    }

    #[test]
    fn rejects_fields_of_another_type() {
        for value in [json!({}), json!([1]), json!(["a", null]), json!(1.5), json!(" , "), json!([""])] {
            assert!(names(&body(value.clone()), "x").is_err(), "{value}");
            assert!(flag(&body(value.clone()), "x", true).is_err(), "{value}");
            assert!(whole(&body(value.clone()), "x").is_err(), "{value}");
            assert!(span(&body(value.clone()), "x").is_err(), "{value}");
            assert!(value.is_string() || text(&body(value.clone()), "x").is_err(), "{value}");
        }
        assert!(names(&body(json!(true)), "x").is_err() && flag(&body(json!(1)), "x", true).is_err());
    }
}
