//! How Vault reads what is not plain JSON: lists that may be one text, spans of time that may be words.

use serde::{Deserialize, Deserializer, de};

/// Seconds of `90`, `"90"`, `"24h"`, `"1h30m"`, `"2d"` or `"-1"`: a sign, then numbers with `s`, `m`, `h` or `d`. Fractions are
/// not taken. (`parseutil.ParseDurationSecond` of Vault, without the units below a second.)
pub fn parse_seconds(text: &str) -> Option<i64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1_i64, text), |rest| (-1, rest));
    if rest.is_empty() {
        return None;
    }
    if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return rest.parse::<i64>().ok().map(|seconds| seconds.saturating_mul(sign));
    }
    let mut total = 0_i64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(end)?;
        let unit = match after.chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        total = number.parse::<i64>().ok()?.checked_mul(unit)?.checked_add(total)?;
        // All units are one byte.
        rest = after.get(1..)?;
    }
    Some(total.saturating_mul(sign))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Span {
    Number(i64),
    Text(String),
}

/// A span of time in whole seconds.
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match Span::deserialize(deserializer)? {
        Span::Number(seconds) => Ok(seconds),
        Span::Text(text) if text.is_empty() => Ok(0),
        Span::Text(text) => parse_seconds(&text).ok_or_else(|| de::Error::custom("time: invalid duration")),
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Several {
    List(Vec<String>),
    Text(String),
}

/// A list of texts, or one text with commas between them.
pub(super) fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let several = match Several::deserialize(deserializer)? {
        Several::List(list) => list,
        Several::Text(text) => text.split(',').map(ToOwned::to_owned).collect(),
    };
    Ok(several.into_iter().map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_read_as_vault_reads_them() {
        for (text, wanted) in [
            ("90", Some(90)),
            ("24h", Some(86_400)),
            ("1h30m", Some(5_400)),
            ("2d", Some(172_800)),
            ("-1", Some(-1)),
            ("-5s", Some(-5)),
            ("", None),
            ("-", None),
            ("soon", None),
            ("5", Some(5)),
            ("5x", None),
            ("h", None),
            ("1h5", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_seconds(text), wanted, "{text}");
        }
    }

    #[test]
    fn lists_may_be_one_text() {
        let read = |json: &str| list(&mut serde_json::Deserializer::from_str(json)).unwrap();
        assert_eq!(read(r#""a, b,,c""#), ["a", "b", "c"]);
        assert_eq!(read(r#"["a","b"]"#), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn spans_are_sums_of_their_parts(
            hours in 0_i64..100_000, minutes in 0_i64..100_000, seconds in 0_i64..100_000, text in "-?[0-9smhd.é -]{0,24}",
        ) {
            let sum = hours * 3600 + minutes * 60 + seconds;
            prop_assert_eq!(parse_seconds(&format!("{hours}h{minutes}m{seconds}s")), Some(sum));
            prop_assert_eq!(parse_seconds(&format!("-{hours}h{minutes}m{seconds}s")), Some(-sum));
            prop_assert_eq!(parse_seconds(&sum.to_string()), Some(sum));
            let _ = parse_seconds(&text);
        }

        #[test]
        fn a_list_is_one_text_with_commas(parts in proptest::collection::vec("[a-z ]{0,4}", 0..5)) {
            let read = |json: serde_json::Value| list(json).unwrap();
            let wanted: Vec<&str> = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
            prop_assert_eq!(read(parts.join(",").into()), wanted.clone());
            prop_assert_eq!(read(parts.clone().into()), wanted);
        }
    }
}
