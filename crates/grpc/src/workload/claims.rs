//! Claims, which the Workload API sends as a protobuf Struct.

use prost_types::{Struct, value::Kind};
use serde_json::{Map, Number, Value};

/// Largest integer below which a 64-bit float holds every integer: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The same as JSON (protobuf, JSON mapping of Struct). Its depth is bounded: the decoder refuses more than 100 levels.
pub(super) fn object(claims: Struct) -> Map<String, Value> {
    claims.fields.into_iter().map(|(name, claim)| (name, value(claim))).collect()
}

fn value(claim: prost_types::Value) -> Value {
    match claim.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::NumberValue(number)) => self::number(number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::BoolValue(yes)) => Value::Bool(yes),
        Some(Kind::StructValue(inner)) => Value::Object(object(inner)),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(value).collect()),
    }
}

/// Times are integers in JSON and floats here; what JSON has no number for is null.
fn number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is an integer that both types hold exactly")]
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_types::ListValue;
    use serde_json::json;

    use super::*;

    fn of(kind: Kind) -> prost_types::Value {
        prost_types::Value { kind: Some(kind) }
    }

    #[test]
    fn every_kind_becomes_its_json() {
        let list = ListValue { values: vec![of(Kind::StringValue("a".into())), of(Kind::BoolValue(true))] };
        let inner = Struct { fields: [("n".to_owned(), of(Kind::NullValue(0)))].into() };
        let fields = [
            ("aud", of(Kind::ListValue(list))),
            ("exp", of(Kind::NumberValue(1_790_000_300.0))),
            ("share", of(Kind::NumberValue(0.5))),
            ("none", of(Kind::NumberValue(f64::NAN))),
            ("inner", of(Kind::StructValue(inner))),
            ("unset", prost_types::Value { kind: None }),
        ];
        let claims = Struct { fields: fields.map(|(name, value)| (name.to_owned(), value)).into() };
        assert_eq!(
            Value::Object(object(claims)),
            json!({"aud": ["a", true], "exp": 1_790_000_300, "share": 0.5, "none": null, "inner": {"n": null}, "unset": null}),
        );
    }

    proptest! {
        #[test]
        fn integers_stay_integers(integer in -(1_i64 << 53)..=(1_i64 << 53)) {
            #[expect(clippy::cast_precision_loss, reason = "the range is the one without loss")]
            let float = integer as f64;
            prop_assert_eq!(number(float), json!(integer));
        }

        #[test]
        fn any_number_has_a_json(float: f64) {
            let json = number(float);
            prop_assert_eq!(json.is_null(), !float.is_finite());
        }
    }
}
