//! From claims to Google's attributes.

use std::collections::BTreeMap;

use carnet_trust::{CelErrorKind, Refusal};
use serde_json::{Map, Value};

use super::{CheckedProvider, PoolName, ProviderName, refuse};

/// Longest `google.subject`, in bytes.
pub const MAX_SUBJECT: usize = 127;
/// Most bytes of all mapped values together.
pub const MAX_MAPPED: usize = 8 * 1024;
/// Most custom attributes.
pub const MAX_ATTRIBUTES: usize = 50;

/// Who a token has become. The provider is not part of the identity: two providers of one pool that map the same
/// subject name the same principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federated {
    /// The pool.
    pub pool: PoolName,
    /// `google.subject`.
    pub subject: String,
    /// `google.groups`.
    pub groups: Vec<String>,
    /// `attribute.NAME` by name.
    pub attributes: BTreeMap<String, String>,
}

impl Federated {
    /// `principal://iam.googleapis.com/…/subject/…`
    pub fn principal(&self) -> String {
        format!("principal://iam.googleapis.com/{}/subject/{}", self.pool, self.subject)
    }

    /// The attributes as they are shown.
    pub(super) fn shown(&self) -> BTreeMap<String, String> {
        let mut shown: BTreeMap<String, String> =
            self.attributes.iter().map(|(name, value)| (format!("attribute.{name}"), value.clone())).collect();
        shown.insert("google.subject".to_owned(), self.subject.clone());
        if !self.groups.is_empty() {
            shown.insert("google.groups".to_owned(), self.groups.join(","));
        }
        shown
    }
}

/// Maps the claims of a verified token.
pub(super) fn map(
    name: &ProviderName,
    provider: &CheckedProvider,
    assertion: &Value,
) -> Result<Federated, Box<Refusal>> {
    let mut who =
        Federated { pool: name.pool.clone(), subject: String::new(), groups: Vec::new(), attributes: BTreeMap::new() };
    let mut size = 0_usize;
    for (key, expression) in provider.mapping() {
        let value = expression
            .evaluate(&[("assertion", assertion)])
            .map_err(|error| no_value(key, expression.source(), &error))?;
        match (key.as_str(), value) {
            ("google.groups", Value::Array(groups)) => {
                for group in groups {
                    let Value::String(group) = group else { return Err(wrong_type(key, &group, "LIST of STRING")) };
                    size = size.saturating_add(group.len());
                    who.groups.push(group);
                }
            }
            ("google.groups", other) => return Err(wrong_type(key, &other, "LIST of STRING")),
            ("google.subject", Value::String(subject)) => {
                size = size.saturating_add(subject.len());
                who.subject = subject;
            }
            (_, Value::String(value)) => {
                size = size.saturating_add(value.len());
                let name = key.strip_prefix("attribute.").unwrap_or(key);
                who.attributes.insert(name.to_owned(), value);
            }
            (_, other) => return Err(wrong_type(key, &other, "STRING")),
        }
    }
    check_sizes(&who, size)?;
    Ok(who)
}

/// Whether the condition holds for the claims and what was mapped from them.
pub(super) fn check_condition(
    provider: &CheckedProvider,
    assertion: &Value,
    who: &Federated,
) -> Result<(), Box<Refusal>> {
    let Some(condition) = provider.condition() else { return Ok(()) };
    let text = |value: &String| Value::String(value.clone());
    let google = Value::Object(Map::from_iter([
        ("subject".to_owned(), text(&who.subject)),
        ("groups".to_owned(), Value::Array(who.groups.iter().map(text).collect())),
    ]));
    let attribute = Value::Object(who.attributes.iter().map(|(name, value)| (name.clone(), text(value))).collect());
    let variables = [("assertion", assertion), ("google", &google), ("attribute", &attribute)];
    let seen = match condition.evaluate(&variables) {
        Ok(Value::Bool(true)) => return Ok(()),
        Ok(Value::Bool(false)) => "false".to_owned(),
        Ok(other) => format!("a value of type {}", kind(&other)),
        Err(error) => format!("no value: {error}"),
    };
    let wanted = format!("`{}` is true", condition.source());
    let fix = "compare the claims of the token with the attribute condition of the provider, and change the one that is wrong";
    Err(refuse("condition", seen, wanted, "unauthorized_client", fix))
}

fn check_sizes(who: &Federated, size: usize) -> Result<(), Box<Refusal>> {
    if who.subject.is_empty() {
        let fix = "map `google.subject` to a claim that is never empty";
        return Err(refuse("mapping", "an empty google.subject", "1 to 127 bytes", "invalid_grant", fix));
    }
    if who.subject.len() > MAX_SUBJECT {
        let fix = "map a shorter claim, or cut it: `assertion.sub.extract('repo:{x}:')`";
        let seen = format!("google.subject of {} bytes", who.subject.len());
        return Err(refuse("mapping-size", seen, format!("at most {MAX_SUBJECT} bytes"), "invalid_request", fix));
    }
    if size > MAX_MAPPED {
        let fix = "map fewer claims or shorter ones";
        let seen = format!("mapped attributes of {size} bytes");
        return Err(refuse("mapping-size", seen, format!("at most {MAX_MAPPED} bytes"), "invalid_request", fix));
    }
    Ok(())
}

fn no_value(key: &str, source: &str, error: &carnet_trust::CelError) -> Box<Refusal> {
    let fix = match error.kind {
        CelErrorKind::MissingKey => "give the token the claim, or map with `has(assertion.x) ? assertion.x : ''`",
        _ => "change the attribute mapping",
    };
    let seen = format!("{key}: {error}");
    refuse("mapping", seen, format!("a value of `{source}`"), "invalid_grant", fix)
}

fn wrong_type(key: &str, value: &Value, wanted: &str) -> Box<Refusal> {
    let fix = "map a claim that has this type; a comparison gives a BOOL and belongs into the condition";
    let seen = format!("{key} of type {}", kind(value));
    refuse("mapping-type", seen, wanted, "unauthorized_client", fix)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "BOOL",
        Value::Number(_) => "NUMBER",
        Value::String(_) => "STRING",
        Value::Array(_) => "LIST",
        Value::Object(_) => "MAP",
    }
}
