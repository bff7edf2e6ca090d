//! Claims as protobuf writes JSON (`google.protobuf.Struct`).

use carnet_grpc::prost_types::{ListValue, Struct, Value as Proto, value::Kind};
use carnet_jose::Claims;
use serde_json::Value;

/// Those claims that `passed` lets through. `aud` is a list, also when the token has one name only, as SPIRE has it. Numbers
/// are 64-bit floats in this form.
pub(super) fn object(claims: &Claims, passed: impl Fn(&str) -> bool) -> Struct {
    let fields = claims.0.iter().filter(|(name, _)| passed(name)).map(|(name, value)| {
        let value = match (name.as_str(), value) {
            ("aud", Value::String(_)) => list(std::slice::from_ref(value)),
            _ => proto(value),
        };
        (name.clone(), value)
    });
    Struct { fields: fields.collect() }
}

fn proto(value: &Value) -> Proto {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or_default()),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(values) => return list(values),
        Value::Object(members) => Kind::StructValue(Struct {
            fields: members.iter().map(|(name, value)| (name.clone(), proto(value))).collect(),
        }),
    };
    Proto { kind: Some(kind) }
}

fn list(values: &[Value]) -> Proto {
    Proto { kind: Some(Kind::ListValue(ListValue { values: values.iter().map(proto).collect() })) }
}
