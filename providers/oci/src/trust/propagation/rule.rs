//! The rule that picks a service user.

use std::fmt;

use carnet_jose::Claims;

/// Whether a rule matches a claim that is an array when one of its elements matches.
///
/// UNCONFIRMED: the documentation says that arrays and objects are not supported, and its own example is
/// `groups co "network-admin"`. Not matching is the side on which nobody gets in.
const MATCH_ARRAY_ELEMENTS: bool = false;

/// Longest rule that is read, in bytes.
const MAX_LENGTH: usize = 4_096;

/// One comparison: `CLAIM eq VALUE` or `CLAIM co VALUE`.
///
/// The claim and the value may stand bare or in single or double quotes; there are no escapes. `*` at the end of an
/// `eq` value, or alone, stands for any rest. A `*` elsewhere in it is refused: the documentation shows none, and
/// whether it would be a wildcard is not known. In a `co` value `*` is a character like others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    claim: String,
    operator: RuleOperator,
    value: String,
}

/// How a rule compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleOperator {
    /// `co`: the claim contains the value.
    Contains,
    /// `eq`: the claim equals the value, or starts with it when the value ends in `*`.
    Equals,
}

/// A rule that cannot be read. Shows the rule, which is configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule:?}: {problem}")]
pub struct RuleError {
    rule: String,
    problem: &'static str,
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// When it is not one comparison.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let fail = |problem| RuleError { rule: text.chars().take(120).collect(), problem };
        if text.len() > MAX_LENGTH {
            return Err(fail("it is longer than 4096 bytes"));
        }
        let (claim, rest) = term(text.trim()).map_err(fail)?;
        if !text.trim_start().starts_with(['"', '\'']) && claim.contains(['(', ')', '[', ']', '=']) {
            return Err(fail("a claim with brackets or equals signs in its name needs quotes"));
        }
        let (operator, rest) = match rest.split_once(char::is_whitespace) {
            Some((word, rest)) if word.eq_ignore_ascii_case("eq") => (RuleOperator::Equals, rest.trim_start()),
            Some((word, rest)) if word.eq_ignore_ascii_case("co") => (RuleOperator::Contains, rest.trim_start()),
            _ => return Err(fail("a claim, then eq or co, then a value is expected")),
        };
        let (value, rest) = term(rest).map_err(fail)?;
        if !rest.is_empty() {
            return Err(fail(
                "there is something behind the value: one comparison is allowed, and a value with spaces needs quotes",
            ));
        }
        if claim.is_empty() || value.is_empty() {
            return Err(fail("neither the claim nor the value may be empty"));
        }
        let rule = Self { claim: claim.to_owned(), operator, value: value.to_owned() };
        if operator == RuleOperator::Equals && rule.prefix().unwrap_or(value).contains('*') {
            return Err(fail("an asterisk stands only at the end of the value or alone"));
        }
        Ok(rule)
    }

    /// Whether the claims satisfy it.
    pub fn matches(&self, claims: &Claims) -> bool {
        match claims.get(&self.claim) {
            Some(serde_json::Value::String(text)) => self.matches_text(text),
            Some(serde_json::Value::Array(items)) if MATCH_ARRAY_ELEMENTS => {
                items.iter().filter_map(serde_json::Value::as_str).any(|text| self.matches_text(text))
            }
            _ => false,
        }
    }

    /// The claim that it looks at.
    pub fn claim(&self) -> &str {
        &self.claim
    }

    /// How it compares.
    pub fn operator(&self) -> RuleOperator {
        self.operator
    }

    /// The value as written, without quotes.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What the claim must start with, when the rule is an `eq` with a wildcard.
    pub fn prefix(&self) -> Option<&str> {
        match self.operator {
            RuleOperator::Equals => self.value.strip_suffix('*'),
            RuleOperator::Contains => None,
        }
    }

    /// Whether every token that has the claim at all satisfies it.
    pub fn matches_everything(&self) -> bool {
        self.prefix() == Some("")
    }

    fn matches_text(&self, text: &str) -> bool {
        match (self.operator, self.prefix()) {
            (RuleOperator::Contains, _) => text.contains(&self.value),
            (RuleOperator::Equals, Some(prefix)) => text.starts_with(prefix),
            (RuleOperator::Equals, None) => text == self.value,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.operator {
            RuleOperator::Contains => "co",
            RuleOperator::Equals => "eq",
        };
        write!(f, "{} {operator} {}", Quoted(&self.claim), Quoted(&self.value))
    }
}

/// A term in the form that reads back as itself.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = !self.0.contains(|c: char| c.is_whitespace() || "\"'()[]=".contains(c));
        match (bare, self.0.contains('"')) {
            (true, _) => f.write_str(self.0),
            (false, true) => write!(f, "'{}'", self.0),
            (false, false) => write!(f, "\"{}\"", self.0),
        }
    }
}

/// The term at the start, without quotes, and what follows it without leading white space.
fn term(text: &str) -> Result<(&str, &str), &'static str> {
    if let Some(quote @ ('"' | '\'')) = text.chars().next() {
        let inner = text.get(1..).unwrap_or_default();
        let (term, rest) = inner.split_once(quote).ok_or("a quotation mark is not closed")?;
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return Err("white space is expected after a quotation mark");
        }
        return Ok((term, rest.trim_start()));
    }
    let (term, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if term.contains(['"', '\'']) {
        return Err("a quotation mark stands in the middle of a word");
    }
    Ok((term, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn matches(rule: &str, claims: &Value) -> bool {
        Rule::parse(rule).unwrap().matches(&Claims(claims.as_object().unwrap().clone()))
    }

    #[test]
    fn compares_as_documented() {
        let claims = json!({
            "sub": "repo:org/app:ref:refs/heads/main", "username": "kafka-1", "note": "a * b", "n": 5,
            "groups": ["network-admin"], "nested": {"a": "b"},
        });
        for (rule, expected) in [
            ("sub eq *", true),
            ("sub eq repo:org/app:*", true),
            ("sub EQ repo:org/app:*", true),
            ("sub eq 'repo:org/app:ref:refs/heads/main'", true),
            ("sub eq repo:org/app", false),
            ("sub eq repo:org/other:*", false),
            ("sub eq Repo:org/app:*", false),
            ("\"username\" eq kafka*", true),
            ("'username' eq \"kafka-1\"", true),
            ("username co afk", true),
            ("username co \"kafka*\"", false),
            ("note co \"*\"", true),
            ("missing eq *", false),
            ("n eq 5", false),
            ("n eq *", false),
            ("groups co \"network-admin\"", false),
            ("groups eq *", false),
            ("nested co b", false),
        ] {
            assert_eq!(matches(rule, &claims), expected, "{rule}");
        }
    }

    #[test]
    fn refuses_what_is_not_one_comparison() {
        for rule in [
            "",
            "sub",
            "sub eq",
            "sub eq ''",
            "'' eq x",
            "sub sw x",
            "sub eq a and aud eq b",
            "sub eq a b",
            "sub eq 'a",
            "sub eq 'a'b",
            "sub eq a'b",
            "sub eq a*b",
            "sub eq *a",
            "sub eq **",
            "(sub eq a)",
            "sub=a",
        ] {
            assert!(Rule::parse(rule).is_err(), "{rule}");
        }
        assert!(Rule::parse(&format!("sub eq {}", "a".repeat(5_000))).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,200}") {
            let _ = Rule::parse(&text);
        }

        #[test]
        fn reads_back_what_it_writes(text in "[a-z'\"(= ]{1,6} (eq|co) [a-z:/*'\" ]{1,12}") {
            if let Ok(rule) = Rule::parse(&text) {
                prop_assert_eq!(Rule::parse(&rule.to_string()).unwrap(), rule);
            }
        }
    }
}
