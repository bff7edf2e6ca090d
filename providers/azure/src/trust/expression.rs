//! Claims matching expressions: `claims['sub'] matches 'repo:org/repo:*' and claims['job_workflow_ref'] eq '…'`
//! ("Flexible federated identity credentials (preview)", language version 1).

use std::str::Chars;

use carnet_jose::Claims;

use super::MAX_TEXT;

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const GITLAB: &str = "https://gitlab.com";
const TERRAFORM: &str = "https://app.terraform.io";
/// The claims that an expression may name, by issuer.
const GITHUB_CLAIMS: &[&str] = &["sub", "job_workflow_ref"];
const GITLAB_CLAIMS: &[&str] = &["sub", "project_id", "namespace_id", "user_id"];
const TERRAFORM_CLAIMS: &[&str] = &["sub"];

/// An expression that was read: conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchingExpression(Vec<Condition>);

/// One comparison of a claim with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The claim.
    pub claim: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub value: String,
}

/// How a claim is compared, always with case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `eq`: the same text.
    Eq,
    /// `matches`: `?` stands for one character and `*` for any run. UNCONFIRMED that the run may be empty.
    Matches,
}

impl MatchingExpression {
    /// Reads an expression for tokens of this issuer.
    ///
    /// # Errors
    /// What is wrong with it: the form, an issuer that has no expressions, or a claim that the issuer's may not name.
    pub fn parse(text: &str, issuer: &str) -> Result<Self, String> {
        let Some(allowed) = claims_of(issuer) else {
            return Err(format!("expressions are only for tokens of {GITHUB}, {GITLAB} and {TERRAFORM}"));
        };
        if text.chars().count() > MAX_TEXT {
            return Err(format!("longer than {MAX_TEXT} characters"));
        }
        let mut conditions = Vec::new();
        let mut rest = text.trim();
        loop {
            let (condition, after) = condition(rest)?;
            if !allowed.contains(&condition.claim.as_str()) {
                return Err(format!("tokens of {issuer} are matched by {}, not by another claim", allowed.join(", ")));
            }
            conditions.push(condition);
            if after.is_empty() {
                return Ok(Self(conditions));
            }
            rest = word(after, "and").ok_or("conditions are joined by ` and `")?;
        }
    }

    /// Whether all conditions hold. A claim that is absent, or no text, never matches.
    pub fn matches(&self, claims: &Claims) -> bool {
        self.0.iter().all(|condition| {
            claims.str(&condition.claim).is_some_and(|seen| match condition.operator {
                Operator::Eq => seen == condition.value,
                Operator::Matches => is_like(seen, &condition.value),
            })
        })
    }

    /// Its conditions, in order.
    pub fn conditions(&self) -> &[Condition] {
        &self.0
    }
}

/// The claims that an expression for this issuer may name. GitHub's enterprises have issuers of their own below the common
/// one.
fn claims_of(issuer: &str) -> Option<&'static [&'static str]> {
    match issuer {
        GITLAB => Some(GITLAB_CLAIMS),
        TERRAFORM => Some(TERRAFORM_CLAIMS),
        _ => {
            let below = issuer.strip_prefix(GITHUB)?;
            (below.is_empty() || below.starts_with('/')).then_some(GITHUB_CLAIMS)
        }
    }
}

/// One condition, and what comes after it.
fn condition(text: &str) -> Result<(Condition, &str), String> {
    const FORM: &str = "a condition is `claims['NAME'] eq 'TEXT'` or `claims['NAME'] matches 'PATTERN'`";
    let rest = text.strip_prefix("claims[").ok_or(FORM)?;
    let (claim, rest) = quoted(rest).ok_or(FORM)?;
    let rest = rest.strip_prefix(']').ok_or(FORM)?;
    let (operator, rest) = match (word(rest, "eq"), word(rest, "matches")) {
        (Some(rest), _) => (Operator::Eq, rest),
        (None, Some(rest)) => (Operator::Matches, rest),
        (None, None) => return Err("the operators are `eq` and `matches`".to_owned()),
    };
    let (value, rest) = quoted(rest).ok_or(FORM)?;
    Ok((Condition { claim: claim.to_owned(), operator, value: value.to_owned() }, rest))
}

/// A text in single quotes, which cannot hold one itself (UNCONFIRMED: no escape is documented).
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('\'')?.split_once('\'')
}

/// What comes after a word that has blanks on both sides.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(' ')?.trim_start().strip_prefix(word)?;
    rest.starts_with(' ').then(|| rest.trim_start())
}

/// Whether the whole text is like the pattern. The time grows with the product of both lengths, so a text that is longer
/// than a subject may be is like nothing.
fn is_like(text: &str, pattern: &str) -> bool {
    if text.chars().count() > MAX_TEXT {
        return false;
    }
    let (mut text, mut pattern) = (text.chars(), pattern.chars());
    // Where to go on if the last star has to stand for one character more.
    let mut retry: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let (mut next_text, mut next_pattern) = (text.clone(), pattern.clone());
        match (next_pattern.next(), next_text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((text.clone(), next_pattern.clone()));
                pattern = next_pattern;
            }
            (Some(wanted), Some(seen)) if wanted == '?' || wanted == seen => {
                (text, pattern) = (next_text, next_pattern);
            }
            _ => {
                let Some((at, after)) = retry.as_mut() else { return false };
                if at.next().is_none() {
                    return false;
                }
                (text, pattern) = (at.clone(), after.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const GOOD: &str =
        "claims['sub'] matches 'repo:org/repo:ref:refs/heads/*' and claims['job_workflow_ref'] eq 'org/ci@1'";

    fn matches(expression: &str, claims: Value) -> bool {
        let Value::Object(claims) = claims else { panic!("an object") };
        MatchingExpression::parse(expression, GITHUB).unwrap().matches(&Claims(claims))
    }

    /// The definition, in exponential time.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|at| naive(rest, &text[at..])),
            Some((first, rest)) => {
                text.first().is_some_and(|seen| *first == '?' || first == seen) && naive(rest, &text[1..])
            }
        }
    }

    #[test]
    fn all_conditions_must_hold() {
        let good = json!({ "sub": "repo:org/repo:ref:refs/heads/main", "job_workflow_ref": "org/ci@1" });
        assert!(matches(GOOD, good.clone()));
        for (claim, value) in [
            ("sub", json!("repo:org/other:ref:refs/heads/main")),
            ("sub", json!("Repo:org/repo:ref:refs/heads/main")),
            ("sub", json!(["repo:org/repo:ref:refs/heads/main"])),
            ("job_workflow_ref", json!("org/ci@2")),
            ("job_workflow_ref", Value::Null),
        ] {
            let mut bent = good.clone();
            bent[claim] = value;
            assert!(!matches(GOOD, bent), "{claim}");
        }
    }

    #[test]
    fn rejects_expressions_bent_in_one_place() {
        for (from, to, says) in [
            ("claims['sub']", "claims[sub]", "a condition is"),
            ("claims['sub']", "claim['sub']", "a condition is"),
            (" matches ", " like ", "the operators"),
            (" matches ", "matches", "the operators"),
            (" and ", " or ", "joined by"),
            ("heads/*'", "heads/*", "joined by"),
            ("'sub'", "'actor'", "not by another claim"),
            ("'org/ci@1'", "'org/ci@1' and", "joined by"),
        ] {
            let bent = GOOD.replacen(from, to, 1);
            let error = MatchingExpression::parse(&bent, GITHUB).unwrap_err();
            assert!(error.contains(says), "{bent}: {error}");
        }
        assert!(MatchingExpression::parse("", GITHUB).is_err());
    }

    #[test]
    fn rejects_issuers_without_expressions() {
        for issuer in
            ["https://issuer.example", "https://token.actions.githubusercontent.com.example", "https://gitlab.com/"]
        {
            assert!(MatchingExpression::parse("claims['sub'] eq 'a'", issuer).unwrap_err().contains("only for tokens"));
        }
        assert!(MatchingExpression::parse("claims['sub'] eq 'a'", &format!("{GITHUB}/my-enterprise")).is_ok());
    }

    #[test]
    fn rejects_claims_that_are_not_for_the_issuer() {
        assert!(MatchingExpression::parse("claims['project_id'] eq '1'", GITLAB).is_ok());
        assert!(MatchingExpression::parse("claims['project_id'] eq '1'", TERRAFORM).is_err());
    }

    #[test]
    fn a_text_that_is_too_long_is_like_nothing() {
        assert!(is_like(&"a".repeat(MAX_TEXT), "*"));
        assert!(!is_like(&"a".repeat(MAX_TEXT + 1), "*"));
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?é]{0,8}", text in "[abé]{0,10}") {
            let characters = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(is_like(&text, &pattern), naive(&characters(&pattern), &characters(&text)));
        }

        #[test]
        fn never_panics(text in "(claims\\['sub'\\] (eq|matches) ')?.{0,60}") {
            drop(MatchingExpression::parse(&text, GITHUB));
        }
    }
}
