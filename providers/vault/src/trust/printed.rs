//! Values as the products print them into their texts: Go's `%v` ("Package fmt").

use std::collections::BTreeMap;

use serde_json::{Number, Value};

/// A value; `null` is `<nil>`, lists have blanks between their items, members of objects stand in the order of their names, and
/// texts have no quotes. How numbers are written depends on how they were read: [`float`] for claims, as they stand for fields
/// of requests.
pub(super) fn printed(value: &Value, number: fn(&Number) -> String) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => number(value),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| printed(item, number)).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(members) => {
            let members: BTreeMap<&String, &Value> = members.iter().collect();
            let members = members.into_iter().map(|(name, value)| format!("{name}:{}", printed(value, number)));
            format!("map[{}]", members.collect::<Vec<_>>().join(" "))
        }
    }
}

/// A number that was read as floating-point: the fewest digits that give it back, and an exponent below -4 and from 6 on
/// (Go, `strconv/ftoa.go`, format `g`).
pub(super) fn float(number: &Number) -> String {
    let Some(value) = number.as_f64() else { return number.to_string() };
    let scientific = format!("{value:e}");
    let parts = scientific.split_once('e').and_then(|(digits, exponent)| Some((digits, exponent.parse::<i32>().ok()?)));
    match parts {
        Some((digits, exponent)) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_printed_as_go_prints_them() {
        for (value, text) in [
            (json!({}), "map[]"),
            (json!({ "b": [1, "x y", null], "a": { "c": true } }), "map[a:map[c:true] b:[1 x y <nil>]]"),
            (json!(999_999), "999999"),
            (json!(1_000_000), "1e+06"),
            (json!(1_795_262_400), "1.7952624e+09"),
            (json!(1.5), "1.5"),
            (json!(2.0), "2"),
            (json!(0.0001), "0.0001"),
            (json!(0.000_012), "1.2e-05"),
            (json!(-1e100), "-1e+100"),
            (json!(0), "0"),
        ] {
            assert_eq!(printed(&value, float), text, "{value}");
        }
        assert_eq!(printed(&json!([1_000_000, 1.5]), Number::to_string), "[1000000 1.5]");
    }
}
