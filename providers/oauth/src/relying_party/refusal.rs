//! What a service's refusal means, by the rules of the catalogue.

use carnet_core::{Credential, Error, ErrorKind, Response, Secret, safe_text, without_echo};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    catalogue::{Party, RefusalKind, Rule},
    error::{MAX_CODE, SHORTEST_SECRET, wait},
};

/// What was attempted.
pub(super) struct Attempt<'a> {
    pub(super) party: &'a Party,
    pub(super) what: &'a str,
    /// What was shown, and the token in it.
    pub(super) credential: &'a Credential,
    pub(super) token: &'a Secret,
    pub(super) now: Timestamp,
}

/// What the service said, as it said it.
#[derive(Default)]
struct Words {
    code: Option<String>,
    message: Option<String>,
}

/// Whether this is a refusal whatever its status: it has a code, or a rule knows its words.
pub(super) fn is_refusal(response: &Response, attempt: &Attempt<'_>) -> bool {
    let words = words(response, attempt);
    let mut rules = attempt.party.refusal.rule.iter();
    words.code.is_some() || rules.any(|rule| rule.says.is_some() && fits(rule, response, &words))
}

/// The error for an answer that is not a success.
pub(super) fn refusal(response: &Response, attempt: &Attempt<'_>) -> Error {
    let words = words(response, attempt);
    let busy = response.status == StatusCode::TOO_MANY_REQUESTS || response.status.is_server_error();
    let mut rules = attempt.party.refusal.rule.iter();
    // A service that is out of order does not know what it says of a token.
    let rule = rules.find(|rule| fits(rule, response, &words) && (!busy || rule.kind == RefusalKind::Unreachable));
    let error = match rule {
        Some(rule) => by_rule(rule, response, &words, attempt),
        None if busy => not_now(response, &words, attempt),
        None if words.code.is_none() && words.message.is_none() => return unreadable(response.status, attempt),
        None => unknown(response, &words, attempt),
    };
    match wait(response, attempt.now).filter(|_| busy) {
        Some(seconds) => error.hint(format!("the service asks to wait {seconds} s before the next attempt")),
        None => error,
    }
}

fn fits(rule: &Rule, response: &Response, words: &Words) -> bool {
    let says = |wanted: &String| {
        let message = words.message.as_deref().unwrap_or_default();
        message.to_ascii_lowercase().contains(&wanted.to_ascii_lowercase())
    };
    rule.status.is_none_or(|status| status == response.status.as_u16())
        && rule.code.as_ref().is_none_or(|code| words.code.as_ref() == Some(code))
        && rule.says.as_ref().is_none_or(says)
}

fn by_rule(rule: &Rule, response: &Response, words: &Words, attempt: &Attempt<'_>) -> Error {
    let kind = match rule.kind {
        RefusalKind::Refused => ErrorKind::Refused,
        RefusalKind::Policy => ErrorKind::Policy,
        RefusalKind::Expired => ErrorKind::Expired,
        RefusalKind::Unreachable => ErrorKind::Unreachable,
    };
    let error = base(kind, response, words, attempt).clause(rule.clause.clone()).hint(rule.fix.clone());
    if matches!(rule.clause.as_str(), "subject-token" | "policy") { with_shown(error, attempt) } else { error }
}

fn not_now(response: &Response, words: &Words, attempt: &Attempt<'_>) -> Error {
    let limited = response.status == StatusCode::TOO_MANY_REQUESTS;
    let error = base(ErrorKind::Unreachable, response, words, attempt);
    if limited {
        error.clause("rate-limit").hint("too many requests: share the token among callers, and keep it while it counts")
    } else {
        error.clause("unavailable").hint("the service is busy or broken; the same request may succeed later")
    }
}

fn unknown(response: &Response, words: &Words, attempt: &Attempt<'_>) -> Error {
    let (kind, clause) = match response.status.as_u16() {
        401 => (ErrorKind::Refused, "subject-token"),
        403 => (ErrorKind::Policy, "policy"),
        _ => (ErrorKind::Refused, "request"),
    };
    let error = base(kind, response, words, attempt).clause(clause);
    with_shown(error.hint("the catalogue does not know this refusal: what the service says is all there is"), attempt)
}

/// Whoever answered is not the service, or not at this address.
fn unreadable(status: StatusCode, attempt: &Attempt<'_>) -> Error {
    let error = Error::unreachable(format!("{}: HTTP {} without a reason", attempt.what, status.as_u16()));
    match status.as_u16() {
        300..=399 => error.hint("redirects are not followed: tokens are sent only where the configuration says"),
        _ => error.hint(format!(
            "this is not how {} answers: check `origin`, and whether a proxy stands in between",
            attempt.party.title
        )),
    }
}

fn base(kind: ErrorKind, response: &Response, words: &Words, attempt: &Attempt<'_>) -> Error {
    let status = response.status.as_u16();
    let shown = words.message.as_deref().filter(|text| !quotes(text, attempt.token)).map(safe_text);
    let message = shown.filter(|text| !text.is_empty()).unwrap_or_else(|| "no description".to_owned());
    let error = Error::new(kind, attempt.what);
    match &words.code {
        Some(code) => error.because(Error::new(kind, format!("HTTP {status}, {code}: {message}"))).code(code.clone()),
        None => error.because(Error::new(kind, format!("HTTP {status}: {message}"))),
    }
}

/// The half of the comparison that the user can check here.
fn with_shown(error: Error, attempt: &Attempt<'_>) -> Error {
    let fact =
        |name: &str| attempt.credential.facts.get(name).map_or_else(|| "not known".to_owned(), |text| safe_text(text));
    let (issuer, subject, audience) = (fact("issuer"), fact("subject"), fact("audience"));
    let error = error.hint(format!("the token shown has iss {issuer}, sub {subject}, aud {audience}"));
    let algorithms = &attempt.party.claims.algorithms;
    if algorithms.is_empty() {
        return error;
    }
    error.hint(format!("it must be signed with {}", algorithms.join(" or ")))
}

/// The code and the words at the first of their places where there is a text or a number.
fn words(response: &Response, attempt: &Attempt<'_>) -> Words {
    let Ok(body) = serde_json::from_slice::<Value>(response.body.expose()) else { return Words::default() };
    let first = |places: &[String]| places.iter().find_map(|place| body.pointer(place).and_then(text));
    let is_code =
        |code: &String| !code.is_empty() && code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_graphic());
    let refusal = &attempt.party.refusal;
    let code = first(&refusal.code).filter(is_code).filter(|code| !quotes(code, attempt.token));
    Words { code, message: first(&refusal.message) }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A text that quotes the token, whole or in part, is not shown at all.
fn quotes(text: &str, token: &Secret) -> bool {
    token.len() >= SHORTEST_SECRET && without_echo(text, &[token]) != text
}
