//! JSON without duplicate members, and base64url in its one canonical form.

use std::{fmt, sync::LazyLock};

use base64::{
    Engine,
    engine::{Simd, general_purpose::NO_PAD},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// The vector instructions that this processor has, asked for once.
static BASE64URL: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));

/// Decodes base64url without padding. Padding, other alphabets, white space and stray bits in the last character are
/// refused (RFC 7515, 2; RFC 4648, 3.5), so that one value has one spelling.
pub(crate) fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    BASE64URL.decode(text).ok()
}

/// Encodes base64url without padding.
pub(crate) fn encode_base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL.encode(bytes)
}

/// An object in which no member occurs twice, at any depth. A duplicate is how two parsers are made to read two
/// different tokens (RFC 7519, 4; RFC 8725, 2.4).
pub(crate) struct Object(pub(crate) Map<String, Value>);

/// Parses bytes that must be one JSON object in which no member occurs twice, at any depth. A duplicate is how two parsers are
/// made to read two different documents (RFC 8259, 4).
///
/// # Errors
/// What is wrong, as the end of a sentence, and in which line and column; nothing of the bytes.
pub fn parse_object(json: &[u8]) -> Result<Map<String, Value>, String> {
    // One check of the whole text is cheaper than one per string.
    let text = std::str::from_utf8(json).map_err(|error| format!("it is not UTF-8 (byte {})", error.valid_up_to()))?;
    serde_json::from_str::<Object>(text).map(|object| object.0).map_err(|error| place(&error))
}

/// What serde_json says without what it quotes: its own messages may repeat a value of the input.
pub(crate) fn place(error: &serde_json::Error) -> String {
    let sort = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data if error.to_string().starts_with(DUPLICATE) => "a member occurs twice",
        serde_json::error::Category::Data => "it is not of the shape expected",
        _ => "it is not JSON",
    };
    format!("{sort} (line {}, column {})", error.line(), error.column())
}

/// The start of the message for a member that occurs twice, by which [`place`] knows it again.
pub(crate) const DUPLICATE: &str = "duplicate member";

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Object, A::Error> {
                members(access).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// Any value whose objects have no duplicate member.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        members(access).map(Value::Object)
    }
}

fn members<'de, A: MapAccess<'de>>(mut access: A) -> Result<Map<String, Value>, A::Error> {
    let mut members = Vec::with_capacity(USUAL_MEMBERS);
    while let Some((name, Strict(value))) = access.next_entry::<String, Strict>()? {
        members.push((name, value));
    }
    // A map that is built at once costs less than one that grows; of two members of one name it keeps one.
    let seen = members.len();
    let map: Map<String, Value> = members.into_iter().collect();
    if map.len() == seen { Ok(map) } else { Err(A::Error::custom(DUPLICATE)) }
}

/// Claims of a token of a CI system.
const USUAL_MEMBERS: usize = 32;

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose;

    use super::*;

    #[test]
    fn rejects_duplicate_members_at_any_depth() {
        for json in [r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"{"a":[{"b":1,"b":2}]}"#, r#"{"a":1,"\u0061":2}"#]
        {
            let error = parse_object(json.as_bytes()).unwrap_err();
            assert!(error.starts_with("a member occurs twice"), "{json}: {error}");
        }
    }

    #[test]
    fn rejects_what_is_not_one_object_and_quotes_nothing_of_it() {
        for json in ["[]", "\"s3cr3t\"", "{} {}", "{\"a\":s3cr3t}", "{\"a\":", "", "\u{feff}{}", "{\"a\":1,}"] {
            let error = parse_object(json.as_bytes()).unwrap_err();
            assert!(!error.contains("s3cr3t"), "{json}: {error}");
        }
        assert!(parse_object(b"{\"a\":\"\xff\"}").is_err(), "not UTF-8");
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(1000), "]".repeat(1000));
        assert!(parse_object(deep.as_bytes()).is_err(), "nested too deep");
    }

    #[test]
    fn rejects_base64url_in_any_but_its_canonical_form() {
        assert_eq!(decode_base64url("AQ").unwrap(), [1]);
        for text in ["AQ==", "AQ=", "AR", "A", "A+/A", "A Q", "AQ\n"] {
            assert!(decode_base64url(text).is_none(), "{text}");
        }
    }

    /// Long texts are decoded by vector instructions and their ends one by one; both have to be equally strict.
    #[test]
    fn rejects_a_bad_character_wherever_it_stands_in_a_long_text() {
        let good = encode_base64url((0..=255).cycle().take(300).collect::<Vec<u8>>());
        assert_eq!(good.len(), 400);
        for at in 0..good.len() {
            for bad in ["=", "+", "/", " ", "\n", "\0", "é", "\u{80}"] {
                let mut text = good.clone();
                text.replace_range(at..=at, bad);
                assert!(decode_base64url(&text).is_none(), "{bad:?} at {at}");
            }
        }
    }

    #[test]
    fn every_length_comes_back_and_has_one_spelling_only() {
        for length in 0..200_u8 {
            let bytes: Vec<u8> = (0..length).map(|at| at.wrapping_mul(37)).collect();
            let text = encode_base64url(&bytes);
            assert_eq!(text, general_purpose::URL_SAFE_NO_PAD.encode(&bytes));
            assert_eq!(decode_base64url(&text).as_ref(), Some(&bytes));
            assert!(decode_base64url(&format!("{text}=")).is_none(), "padding behind {length} bytes");
            assert!(decode_base64url(&format!("{text}A")).is_none() || length % 3 != 0, "length {length}");
            if length % 3 != 0 {
                // The last character has bits that mean nothing: with one of them set it is another spelling.
                let mut other = text.into_bytes();
                *other.last_mut().unwrap() += 1;
                assert!(decode_base64url(&String::from_utf8(other).unwrap()).is_none(), "stray bits, {length} bytes");
            }
        }
    }
}
