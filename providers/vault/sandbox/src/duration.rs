//! Times as Vault takes them: seconds as a number or its text, or `1h30m`.

use jiff::SignedDuration;
use serde_json::Value;

/// Seconds, or a text such as `"24h"`, `"1h30m"`, `"60"`, `"7d"`; an empty text is nothing. `None` when it is no such thing, and
/// when it is longer than 292 years. Negative ones are for the caller to judge.
pub(crate) fn parse(value: &Value) -> Option<SignedDuration> {
    match value {
        Value::Number(number) => number.as_i64().map(SignedDuration::from_secs).and_then(bounded),
        Value::String(text) => parse_text(text),
        _ => None,
    }
}

/// [`parse`] of a text.
pub(crate) fn parse_text(text: &str) -> Option<SignedDuration> {
    read(text).and_then(bounded)
}

/// The servers keep a time in nanoseconds, in 64 bits (Go, `time.Duration`).
fn bounded(span: SignedDuration) -> Option<SignedDuration> {
    i64::try_from(span.as_nanos()).is_ok().then_some(span)
}

fn read(text: &str) -> Option<SignedDuration> {
    let text = text.trim();
    if text.is_empty() {
        return Some(SignedDuration::ZERO);
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(SignedDuration::from_secs(seconds));
    }
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut milliseconds = 0_i64;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let unit = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        milliseconds = milliseconds.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = after;
    }
    Some(SignedDuration::from_millis(if negative { milliseconds.checked_neg()? } else { milliseconds }))
}

/// As Go writes one of whole seconds: `1h0m0s`, `1m0s`, `1s`.
pub(crate) fn text(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_numbers_and_texts() {
        for (text, seconds) in
            [("60", 60), ("5m", 300), ("1h30m", 5400), ("7d", 604_800), ("-1", -1), ("-2s", -2), ("", 0)]
        {
            assert_eq!(parse_text(text), Some(SignedDuration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse(&Value::from(9)), Some(SignedDuration::from_secs(9)));
        assert_eq!(parse_text("500ms"), Some(SignedDuration::from_millis(500)));
    }

    #[test]
    fn a_time_is_written_as_go_does() {
        for (seconds, wanted) in [(0, "0s"), (61, "1m1s"), (3600, "1h0m0s"), (2_764_800, "768h0m0s")] {
            assert_eq!(text(SignedDuration::from_secs(seconds)), wanted);
        }
    }

    #[test]
    fn rejects_what_is_no_time() {
        for text in ["x", "5x", "h", "-", "1h x", "99999999999999999999s", "9223372036854775807d", "1.5h", "--1s"] {
            assert_eq!(parse_text(text), None, "{text}");
        }
        assert_eq!(parse(&Value::Bool(true)), None);
        assert_eq!(parse(&Value::from(9_000_000_000_000_i64)), None);
    }

    #[test]
    fn rejects_what_is_longer_than_the_servers_can_count() {
        assert_eq!(parse_text("9223372036s"), Some(SignedDuration::from_secs(9_223_372_036)));
        for text in ["9223372037", "9223372037s", "-9223372037s", "9000000000000s", "106752d"] {
            assert_eq!(parse_text(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_time_is_the_sum_of_its_parts(hours in 0_i64..10_000, seconds in 0_i64..10_000, text in "-?[0-9msh d.é-]{0,24}") {
            let wanted = Some(SignedDuration::from_secs(hours * 3600 + seconds));
            prop_assert_eq!(parse_text(&format!("{hours}h{seconds}s")), wanted);
            prop_assert_eq!(parse(&Value::from(format!("{hours}h{seconds}"))), None);
            if let Some(time) = parse_text(&text) {
                prop_assert!(time.is_zero() || text.contains(|c: char| c.is_ascii_digit()), "{}", text);
            }
        }
    }
}
