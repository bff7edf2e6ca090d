//! The claims of a token.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// A set of claims, parsed once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims(pub Map<String, Value>);

impl Claims {
    /// A claim that is a string.
    pub fn str(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Any claim.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// `aud` as a list: one string or an array of strings (RFC 7519, 4.1.3).
    pub fn audiences(&self) -> Vec<&str> {
        match self.0.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// A numeric date, seconds since the epoch, fractions cut off (RFC 7519, 2).
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        let seconds = self.0.get(name)?;
        let whole = seconds.as_i64().or_else(|| {
            #[expect(clippy::cast_possible_truncation, reason = "fractions are cut off; `as` saturates")]
            seconds.as_f64().map(|seconds| seconds as i64)
        })?;
        Timestamp::from_second(whole).ok()
    }
}
