//! Bound claims: found by a path with dots, compared as values of JavaScript.

use std::collections::BTreeMap;

use carnet_jose::Claims;
use carnet_trust::Warning;
use serde_json::Value;

use super::{pattern::Pattern, token::is_falsy, warning};

/// Issuers that sign for everybody: a method must say whose tokens it means.
const SHARED_ISSUERS: [&str; 3] =
    ["https://token.actions.githubusercontent.com", "https://gitlab.com", "https://accounts.google.com"];
/// Claims that are names, and the claims that are their immutable ids.
const NAMES: [(&str, &str); 4] = [
    ("repository", "repository_id"),
    ("repository_owner", "repository_owner_id"),
    ("project_path", "project_id"),
    ("namespace_path", "namespace_id"),
];

/// What does not hold of the bound claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unbound {
    /// The token has no such claim, or one that counts as none.
    Missing(String),
    /// It has another value.
    Differs { name: String, seen: String, wanted: String },
}

/// The claim at a path with dots, if it is a text, a number, a truth value or a list of texts. A name with a dot in it
/// cannot be said.
pub(super) fn at_path<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let mut current = claims.get(parts.next()?)?;
    for part in parts {
        current = current.as_object()?.get(part)?;
    }
    let plain = match current {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => true,
        Value::Array(items) => items.iter().all(Value::is_string),
        Value::Null | Value::Object(_) => false,
    };
    plain.then_some(current)
}

/// Whether every bound claim holds.
pub(super) fn check(claims: &Claims, bound: &BTreeMap<String, String>) -> Result<(), Unbound> {
    for (name, wanted) in bound {
        let value = at_path(claims, name);
        let Some(value) = value.filter(|value| !is_falsy(Some(value))) else {
            return Err(Unbound::Missing(name.clone()));
        };
        if !wanted.split(", ").any(|wanted| holds(value, wanted)) {
            let seen = carnet_core::safe_text(&value.to_string());
            return Err(Unbound::Differs { name: name.clone(), seen, wanted: wanted.clone() });
        }
    }
    Ok(())
}

/// How a claim is compared with what is bound (`identity-oidc-auth-fns.ts`).
pub(super) fn holds(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Bool(seen) => *seen == (wanted == "true"),
        Value::Number(seen) => parse_int(wanted).is_some_and(|wanted| seen.as_f64() == Some(wanted)),
        Value::String(seen) => Pattern::new(wanted).accepts(seen),
        Value::Array(items) => items.iter().filter_map(Value::as_str).any(|seen| Pattern::new(wanted).accepts(seen)),
        Value::Null | Value::Object(_) => false,
    }
}

/// `parseInt(text, 10)`: what comes after the digits is not looked at.
fn parse_int(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse::<f64>().ok().map(|number| sign * number)
}

/// What there is to say against claims that are bound, or are not.
pub(super) fn lint(issuer: &str, subject: &str, bound: &BTreeMap<String, String>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if subject.is_empty() && bound.is_empty() {
        let message = if SHARED_ISSUERS.contains(&issuer) {
            format!("every customer of {issuer} logs in with a token for this audience")
        } else {
            "every token of the issuer with this audience logs in".to_owned()
        };
        warnings.push(warning("subject", message, "set `boundSubject`, or `boundClaims` on an immutable id"));
    }
    let patterns = bound.iter().map(|(name, wanted)| (name.as_str(), wanted.as_str()));
    for (name, wanted) in patterns.chain((!subject.is_empty()).then_some(("sub", subject))) {
        for one in wanted.split(", ") {
            warnings.extend(lint_pattern(name, one));
        }
    }
    for (name, id) in NAMES {
        if bound.contains_key(name) && !bound.contains_key(id) {
            let message = format!("`{name}` is a name: whoever registers it after you gets in");
            warnings.push(warning("bound-claims", message, &format!("bind `{id}` instead")));
        }
    }
    warnings
}

/// What there is to say against one pattern.
pub(super) fn lint_pattern(name: &str, text: &str) -> Option<Warning> {
    let pattern = Pattern::new(text);
    if !pattern.understood() {
        let message =
            format!("the pattern for `{name}` has forms that carnet does not know, and is taken literally here");
        return Some(warning("bound-claims", message, "write it with `*`, `**`, `?`, `[…]` and `{a,b}` only"));
    }
    pattern.begins_wild().then(|| {
        let message = format!("the pattern for `{name}` begins with a wildcard: whoever may choose the rest gets in");
        warning("bound-claims", message, "begin the pattern with a fixed text, up to a separator")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_compared_as_there() {
        for (value, wanted, expected) in [
            (json!("main"), "main", true),
            (json!("refs/heads/main"), "refs/heads/*", true),
            (json!("refs/heads/a/b"), "refs/heads/*", false),
            (json!(true), "true", true),
            (json!(true), "yes", false),
            (json!(42), "42", true),
            (json!(42), "42 and more", true),
            (json!(42), "43", false),
            (json!(42.5), "42", false),
            (json!(42), "many", false),
            (json!(["a", "b"]), "b", true),
            (json!(["a", "b"]), "c", false),
        ] {
            assert_eq!(holds(&value, wanted), expected, "{value} and {wanted}");
        }
    }

    #[test]
    fn what_counts_as_nothing_is_missing() {
        let bound = |name: &str| BTreeMap::from([(name.to_owned(), "x".to_owned())]);
        let claims = json!({ "a": { "b": "x" }, "zero": 0, "no": false, "empty": "", "object": {}, "a.b": "x" });
        let claims = Claims(claims.as_object().unwrap().clone());
        check(&claims, &bound("a.b")).unwrap();
        for name in ["zero", "no", "empty", "object", "absent", "a.c", "a.b.c"] {
            assert_eq!(check(&claims, &bound(name)), Err(Unbound::Missing(name.to_owned())));
        }
    }
}
