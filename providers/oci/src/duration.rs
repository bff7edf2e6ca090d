//! Spans of time in configuration: `"20m"`, `"12h"`, or a number of seconds.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// A span of time, not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub SignedDuration);

/// How a [`Duration`] is written.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Text {
    /// Whole seconds.
    Seconds(u32),
    /// Words such as `20m`, `1h 30m` or `PT20M`.
    Words(String),
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted = "a number of seconds or a text such as \"20m\" or \"12h\"";
        let span = match Text::deserialize(deserializer)
            .map_err(|_unclear| de::Error::custom(format!("expected {wanted}")))?
        {
            Text::Seconds(seconds) => SignedDuration::from_secs(i64::from(seconds)),
            Text::Words(words) => words.parse().map_err(|_unclear| {
                de::Error::custom(format!("{:?} is not {wanted}", carnet_core::safe_text(&words)))
            })?,
        };
        if span.is_negative() {
            return Err(de::Error::custom("a span of time cannot be negative"));
        }
        Ok(Self(span))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seconds_and_words_are_read_and_nothing_else() {
        let read = |value| serde_json::from_value::<Duration>(value).map(|span| span.0.as_secs());
        assert_eq!(read(json!(1200)).unwrap(), 1200);
        assert_eq!(read(json!("20m")).unwrap(), 1200);
        assert_eq!(read(json!("1h 30m")).unwrap(), 5400);
        for bad in [json!(-1), json!("-5m"), json!("soon"), json!(true), json!({})] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
