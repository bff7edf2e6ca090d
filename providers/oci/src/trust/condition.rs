//! Conditions: the part that policies and matching rules of dynamic groups share.
//!
//! `var = 'literal'`, `var != 'literal'`, `var = /pattern*/`, `any { … }`, `all { … }`, nested. Keywords and values compare
//! without case. A variable that does not apply to the request makes its test false, whatever the operator
//! (<https://docs.oracle.com/en-us/iaas/Content/Identity/policysyntax/conditions.htm>).

use std::{borrow::Cow, fmt};

use carnet_trust::Glob;

mod lexer;

pub(crate) use lexer::{Cursor, Token, tokens};

/// Longest text of a statement or rule, in characters. Oracle's own limits are lower; beyond this nothing real is meant.
const MAX_LENGTH: usize = 16 * 1024;
/// Deepest nesting of `any` and `all`. Bounds the recursion of parser and evaluator.
const MAX_DEPTH: usize = 16;

/// A text that is no statement or no rule: where and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct SyntaxError {
    /// Where, counted in characters from 1.
    pub column: usize,
    /// What is there and what was expected.
    pub message: String,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Every one must hold.
    All(Vec<Self>),
    /// One must hold.
    Any(Vec<Self>),
    /// A single test.
    Test(Test),
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// The variable, as written.
    pub variable: String,
    /// What it is compared with.
    pub compare: Compare,
    /// Where it stands, counted in characters from 1.
    pub column: usize,
}

/// What a variable is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `= 'literal'`
    Is(String),
    /// `!= 'literal'`
    IsNot(String),
    /// `= /pattern*/`
    Like(String),
    /// `!= /pattern*/`
    NotLike(String),
    /// Nothing: it must only be there. Dynamic groups alone have this, for tags.
    Present,
}

/// What a request says about a variable.
pub(crate) enum Value<'a> {
    /// It has this value.
    One(Cow<'a, str>),
    /// It has all of these values.
    Many(Vec<&'a str>),
    /// The variable exists and does not apply to this request.
    Absent,
    /// There is no such variable.
    Unknown,
}

/// What came of a condition.
#[derive(Debug, Default)]
pub(crate) struct Outcome<'c> {
    pub(crate) holds: bool,
    /// How many single tests held.
    pub(crate) held: usize,
    /// The test that decided against it, with what was seen.
    pub(crate) failed: Option<(&'c Test, String)>,
    /// Variables that do not exist.
    pub(crate) unknown: Vec<&'c str>,
}

impl Condition {
    /// Evaluates it; `value` says what the request has for a variable (in lower case).
    pub(crate) fn evaluate<'c, 'v>(&'c self, value: &impl Fn(&str) -> Value<'v>) -> Outcome<'c> {
        match self {
            Self::Test(test) => test.evaluate(value),
            Self::All(parts) => {
                let mut all = Outcome { holds: true, ..Outcome::default() };
                for part in parts {
                    all.add(part.evaluate(value), |all, part| all && part);
                }
                all
            }
            Self::Any(parts) => {
                let mut any = Outcome::default();
                for part in parts {
                    any.add(part.evaluate(value), |any, part| any || part);
                }
                if any.holds {
                    any.failed = None;
                }
                any
            }
        }
    }

    /// Every single test in it.
    pub fn tests(&self) -> Vec<&Test> {
        match self {
            Self::Test(test) => vec![test],
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::tests).collect(),
        }
    }

    /// Parses a condition at the cursor. `presence` allows a variable alone.
    pub(crate) fn parse(cursor: &mut Cursor<'_>, presence: bool) -> Result<Self, SyntaxError> {
        Self::parse_at(cursor, presence, 0)
    }

    fn parse_at(cursor: &mut Cursor<'_>, presence: bool, depth: usize) -> Result<Self, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(cursor.error(&format!("any and all are nested more than {MAX_DEPTH} deep")));
        }
        let column = cursor.column();
        let word = cursor.word("any, all or a variable")?;
        let group: fn(Vec<Self>) -> Self = match word.to_ascii_lowercase().as_str() {
            "all" => Self::All,
            "any" => Self::Any,
            _ => return Test::parse(cursor, word, column, presence).map(Self::Test),
        };
        cursor.expect(&Token::Open, "{")?;
        let mut parts = Vec::new();
        loop {
            parts.push(Self::parse_at(cursor, presence, depth.saturating_add(1))?);
            if cursor.take(&Token::Close) {
                return Ok(group(parts));
            }
            cursor.expect(&Token::Comma, ", or }")?;
        }
    }
}

impl Outcome<'_> {
    fn add(&mut self, part: Self, join: fn(bool, bool) -> bool) {
        self.holds = join(self.holds, part.holds);
        self.held = self.held.saturating_add(part.held);
        self.failed = self.failed.take().or(part.failed);
        self.unknown.extend(part.unknown);
    }
}

impl Test {
    fn parse(cursor: &mut Cursor<'_>, variable: String, column: usize, presence: bool) -> Result<Self, SyntaxError> {
        let equal = match cursor.peek() {
            Some(Token::Equal) => true,
            Some(Token::NotEqual) => false,
            _ if presence => return Ok(Self { variable, compare: Compare::Present, column }),
            _ => return Err(cursor.error(&format!("expected = or != after {variable}"))),
        };
        cursor.advance();
        let compare = match (cursor.peek().cloned(), equal) {
            (Some(Token::Quoted(text)), true) => Compare::Is(text),
            (Some(Token::Quoted(text)), false) => Compare::IsNot(text),
            (Some(Token::Pattern(text)), true) => Compare::Like(text),
            (Some(Token::Pattern(text)), false) => Compare::NotLike(text),
            _ => return Err(cursor.error(&format!("expected 'text' or /pattern/ to compare {variable} with"))),
        };
        cursor.advance();
        Ok(Self { variable, compare, column })
    }

    fn evaluate<'c, 'v>(&'c self, value: &impl Fn(&str) -> Value<'v>) -> Outcome<'c> {
        let seen = match value(&self.variable.to_ascii_lowercase()) {
            Value::One(one) if self.compare.holds(&[one.as_ref()]) => return Outcome::held_test(),
            Value::One(one) => format!("{} is '{one}'", self.variable),
            Value::Many(many) if self.compare.holds(&many) => return Outcome::held_test(),
            Value::Many(many) => format!("{} is one of '{}'", self.variable, many.join("', '")),
            Value::Absent => format!("{} does not apply to this request", self.variable),
            Value::Unknown => {
                let seen = format!("{} is no variable that is known here", self.variable);
                return Outcome { failed: Some((self, seen)), unknown: vec![&self.variable], ..Outcome::default() };
            }
        };
        Outcome { failed: Some((self, seen)), ..Outcome::default() }
    }
}

impl Outcome<'_> {
    fn held_test() -> Self {
        Self { holds: true, held: 1, ..Self::default() }
    }
}

impl Compare {
    /// Several values: one must be equal; for "not", none may be.
    pub(crate) fn holds(&self, values: &[&str]) -> bool {
        let is = |text: &str| values.iter().any(|value| value.to_lowercase() == text.to_lowercase());
        let like = |pattern: &str| {
            let glob = Glob::new(&pattern.to_lowercase());
            values.iter().any(|value| glob.matches(&value.to_lowercase()))
        };
        match self {
            Self::Is(text) => is(text),
            Self::IsNot(text) => !is(text),
            Self::Like(pattern) => like(pattern),
            Self::NotLike(pattern) => !like(pattern),
            Self::Present => true,
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.compare {
            Compare::Is(text) => write!(f, "{} = '{text}'", self.variable),
            Compare::IsNot(text) => write!(f, "{} != '{text}'", self.variable),
            Compare::Like(text) => write!(f, "{} = /{text}/", self.variable),
            Compare::NotLike(text) => write!(f, "{} != /{text}/", self.variable),
            Compare::Present => f.write_str(&self.variable),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, parts) = match self {
            Self::Test(test) => return test.fmt(f),
            Self::All(parts) => ("all", parts),
            Self::Any(parts) => ("any", parts),
        };
        write!(f, "{word} {{")?;
        for (at, part) in parts.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            part.fmt(f)?;
        }
        f.write_str("}")
    }
}

/// The candidate that differs from `word` by the fewest letters, when they are few enough to be a slip.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    nearest_within(word.len().checked_div(8)?.clamp(1, 3), word, candidates)
}

/// The candidate that differs from `word` by the fewest letters, at most `most`.
pub(crate) fn nearest_within<'a>(
    most: usize,
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, by rows.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (at, a) in left.chars().enumerate() {
        let mut diagonal = at;
        let mut before = at.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, b) in row.iter_mut().skip(1).zip(right.chars()) {
            let here = diagonal.saturating_add(usize::from(a != b)).min(before.min(*cell).saturating_add(1));
            diagonal = *cell;
            *cell = here;
            before = here;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_one_letter_is_near_and_another_word_is_not() {
        let known = ["request.principal.cluster_id", "request.principal.namespace"];
        assert_eq!(nearest("request.principal.cluser_id", known.into_iter()), Some(known[0]));
        assert_eq!(nearest("request.principal.shoe_size", known.into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
