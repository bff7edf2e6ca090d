//! Public keys as JSON (RFC 7517).

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{KeyError, KeySet, strict};

/// A public JSON Web Key. Members that this crate does not know are dropped; private members are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the standard's own (RFC 7517, 4; RFC 7518, 6)")]
pub struct Jwk {
    pub kty: String,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub key_use: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

/// A set of public keys (RFC 7517, 5). Reading one refuses more than [`KeySet::MAX_KEYS`] keys and names the position
/// of a key that cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The keys, in the order of the document.
    pub keys: Vec<Jwk>,
}

/// Members that only a private or symmetric key has (RFC 7518, 6.2.2, 6.3.2 and 6.4.1; RFC 8037, 2). Whoever publishes
/// one has lost the key, and whoever accepts it would never tell them.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

impl Jwk {
    /// The thumbprint: SHA-256 over the required members, base64url without padding (RFC 7638, 3).
    pub fn thumbprint(&self) -> String {
        let text = |value: &Option<String>| serde_json::Value::from(value.as_deref().unwrap_or_default());
        let (kty, crv, e, n) =
            (serde_json::Value::from(self.kty.as_str()), text(&self.crv), text(&self.e), text(&self.n));
        let (x, y) = (text(&self.x), text(&self.y));
        // The members in lexicographic order without white space (RFC 7638, 3.2 and 3.3).
        let canonical = match self.kty.as_str() {
            "RSA" => format!(r#"{{"e":{e},"kty":{kty},"n":{n}}}"#),
            "OKP" => format!(r#"{{"crv":{crv},"kty":{kty},"x":{x}}}"#),
            _ => format!(r#"{{"crv":{crv},"kty":{kty},"x":{x},"y":{y}}}"#),
        };
        strict::encode_base64url(digest(&SHA256, canonical.as_bytes()))
    }
}

impl JwkSet {
    /// Parses a JWKS document.
    pub fn from_json(json: &[u8]) -> Result<Self, KeyError> {
        // Keys in this document are public, and the messages below quote member names and positions only.
        serde_json::from_slice(json).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => KeyError(format!("the key set is refused: {error}")),
            _ => KeyError(format!("the key set is not JSON: {}", strict::place(&error))),
        })
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct JwkVisitor;
        impl<'de> Visitor<'de> for JwkVisitor {
            type Value = Jwk;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON Web Key")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Jwk, A::Error> {
                let mut jwk = Jwk::default();
                let mut kty = None;
                while let Some(name) = access.next_key::<String>()? {
                    let member = match name.as_str() {
                        "kty" => &mut kty,
                        "use" => &mut jwk.key_use,
                        "alg" => &mut jwk.alg,
                        "kid" => &mut jwk.kid,
                        "crv" => &mut jwk.crv,
                        "x" => &mut jwk.x,
                        "y" => &mut jwk.y,
                        "n" => &mut jwk.n,
                        "e" => &mut jwk.e,
                        private if PRIVATE.contains(&private) => {
                            return Err(A::Error::custom(format_args!(
                                "member {private:?} belongs to a private or symmetric key, which must not be published"
                            )));
                        }
                        _ => {
                            access.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    if member.is_some() {
                        return Err(A::Error::custom(format_args!("{}: {name:?}", strict::DUPLICATE)));
                    }
                    let Text(text) = access.next_value()?;
                    *member =
                        Some(text.ok_or_else(|| A::Error::custom(format_args!("member {name:?} is not a string")))?);
                }
                jwk.kty = kty.ok_or_else(|| A::Error::custom("member \"kty\" is missing"))?;
                Ok(jwk)
            }
        }
        deserializer.deserialize_map(JwkVisitor)
    }
}

/// A string, or `None` for any other JSON value, so that the error can name the member and not the value.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer).map(|value| match value {
            serde_json::Value::String(text) => Self(Some(text)),
            _ => Self(None),
        })
    }
}

impl<'de> Deserialize<'de> for JwkSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SetVisitor;
        impl<'de> Visitor<'de> for SetVisitor {
            type Value = JwkSet;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON Web Key Set, an object with the member \"keys\"")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<JwkSet, A::Error> {
                let mut keys = None;
                while let Some(name) = access.next_key::<String>()? {
                    if name != "keys" {
                        access.next_value::<IgnoredAny>()?;
                    } else if keys.is_some() {
                        return Err(A::Error::custom(format_args!("{}: \"keys\"", strict::DUPLICATE)));
                    } else {
                        let Keys(list) = access.next_value()?;
                        keys = Some(list);
                    }
                }
                let keys = keys.ok_or_else(|| A::Error::custom("member \"keys\" is missing"))?;
                Ok(JwkSet { keys })
            }
        }
        deserializer.deserialize_map(SetVisitor)
    }
}

struct Keys(Vec<Jwk>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor;
        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of JSON Web Keys")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                loop {
                    let position = keys.len();
                    let next = access.next_element::<Jwk>();
                    match next.map_err(|error| A::Error::custom(format_args!("keys[{position}]: {error}")))? {
                        None => return Ok(Keys(keys)),
                        Some(_) if position == KeySet::MAX_KEYS => {
                            return Err(A::Error::custom(format_args!("more than {} keys", KeySet::MAX_KEYS)));
                        }
                        Some(key) => keys.push(key),
                    }
                }
            }
        }
        deserializer.deserialize_seq(KeysVisitor)
    }
}

#[cfg(test)]
mod tests;
