//! What the sources here share: the token of a job, looked at as far as its carrier can, and which of several is the one.

use carnet_core::{Context, Credential, Error, Secret, check_token, safe_text};
use carnet_jose::{JwtError, SubjectToken};
use jiff::Timestamp;
use serde_json::Value;

use crate::system::System;

/// Tokens are a few kilobytes.
pub(crate) const MAX_TOKEN: usize = 64 * 1024;

/// A token that the job was given, and where it lies: the name of a variable, or a path.
pub(crate) struct Held {
    pub(crate) place: String,
    pub(crate) token: SubjectToken,
}

impl Held {
    /// The token in this variable, if the variable is set.
    pub(crate) fn in_variable(context: &Context, variable: &str) -> Option<Result<Self, JwtError>> {
        let secret = context.environment.secret(variable)?;
        Some(SubjectToken::parse(secret).map(|token| Self { place: variable.to_owned(), token }))
    }
}

/// The one to use: the first that counts still and whose audience fits, else the first whose audience fits, else the first.
pub(crate) fn best(held: Vec<Held>, wanted: Option<&str>, now: Timestamp) -> Option<Held> {
    let fits = |held: &Held| wanted.is_none_or(|wanted| held.token.names_audience(wanted));
    let lives = |held: &Held| held.token.refuse_expired("", now).is_ok();
    let place =
        held.iter().position(|one| fits(one) && lives(one)).or_else(|| held.iter().position(fits)).unwrap_or_default();
    held.into_iter().nth(place)
}

/// What the sources say when a token is not what the next step can use.
pub(crate) struct Advice {
    /// What to do about one that has ended.
    pub(crate) expired: &'static str,
    /// What to do about another audience: how this system's tokens get theirs.
    pub(crate) audience: String,
}

/// The credential, unless it has ended or is for somebody else.
///
/// # Errors
/// Clause `expired` or `audience`, with the advice.
pub(crate) fn credential(
    held: Held,
    system: &System,
    wanted: Option<&str>,
    context: &Context,
    advice: Advice,
) -> Result<Credential, Error> {
    let Held { place, token } = held;
    let what = format!("the ID token in {place}");
    token.refuse_expired(&what, context.now()).map_err(|error| error.hint(advice.expired))?;
    token.refuse_other_audience(&what, wanted).map_err(|error| error.hint(advice.audience))?;
    Ok(with_facts(token, system))
}

/// The credential, with those claims that say which job it is of.
pub(crate) fn with_facts(token: SubjectToken, system: &System) -> Credential {
    let claims = token.unverified_claims();
    let facts: Vec<_> =
        system.claims.iter().filter_map(|claim| Some((claim.fact?, fact_text(claims.get(claim.name)?)?))).collect();
    let mut credential = token.into_credential();
    credential.facts.extend(facts);
    credential
}

/// A claim for people. `None` for one that is empty, or that is an object.
pub(crate) fn fact_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => safe_text(text),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(values) => safe_text(&values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
        Value::Null | Value::Object(_) => String::new(),
    };
    (!text.is_empty()).then_some(text)
}

/// Reads what a program printed, or a server answered in plain text: the token and nothing else, but blanks around it.
///
/// # Errors
/// What is wrong with it, without any of its text.
pub fn parse_plain_token(bytes: &[u8]) -> Result<Secret, &'static str> {
    let text = std::str::from_utf8(bytes).ok().ok_or("it is not text")?.trim();
    let token = Secret::new(text);
    check_token(&token)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::testing::{NOW, token};

    fn held(place: &str, audience: &str, end: i64) -> Held {
        let token = token(&json!({"aud": audience, "exp": end}));
        Held { place: place.to_owned(), token: SubjectToken::parse(token.into()).unwrap() }
    }

    #[test]
    fn the_first_that_fits_and_lives_is_the_one() {
        let now = Timestamp::from_second(NOW).unwrap();
        let all = || {
            vec![
                held("other", "x", NOW + 9),
                held("ended", "a", NOW),
                held("good", "a", NOW + 9),
                held("late", "a", NOW + 9),
            ]
        };
        let chosen = |wanted| best(all(), wanted, now).unwrap().place;
        assert_eq!(chosen(Some("a")), "good");
        assert_eq!(chosen(None), "other");
        assert_eq!(chosen(Some("nobody")), "other", "so that its audience can be named");
        assert_eq!(best(vec![held("ended", "a", NOW)], Some("a"), now).unwrap().place, "ended");
        assert!(best(Vec::new(), None, now).is_none());
    }

    #[test]
    fn claims_are_shown_as_text() {
        for (value, expected) in [
            (json!("main"), Some("main")),
            (json!("a\u{202e}b"), Some("a b")),
            (json!(true), Some("true")),
            (json!(7), Some("7")),
            (json!(["a", "b", 3]), Some("a b")),
            (json!([]), None),
            (json!(""), None),
            (json!(null), None),
            (json!({"a": 1}), None),
        ] {
            assert_eq!(fact_text(&value).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn rejects_what_is_no_single_word() {
        assert_eq!(parse_plain_token(b"\n a.b.c \r\n").unwrap().expose(), "a.b.c");
        for wrong in [&b""[..], b" ", b"a b", b"a\nb", b"\xff\xfe", "\u{e9}".as_bytes()] {
            assert!(parse_plain_token(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_one_visible_word(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(token) = parse_plain_token(&bytes) {
                prop_assert!(!token.is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
