//! Refusals of token endpoints: the code, the clause that failed, and the fix.
//!
//! The codes are those of RFC 6749, 5.2, RFC 8693, 2.2.2 and RFC 8707, 2, and of the registry that RFC 6749, 11.4 began. What
//! stands behind them is for each server to say; its words are shown as far as they are safe. The README's table lists all of them.

use carnet_core::{Error, ErrorKind, Response, Secret, safe_text, without_echo};
use http::StatusCode;
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use serde_json::Value;

use crate::{call::Asked, client_auth::Proof};

/// Longest error code that is shown.
pub(crate) const MAX_CODE: usize = 64;
/// Secrets shorter than this are in every text.
pub(crate) const SHORTEST_SECRET: usize = 4;
/// Longest wait that is passed on, in seconds: a day.
const LONGEST_WAIT: i64 = 86_400;

/// What was attempted, for the hints.
pub(crate) struct Attempt<'a> {
    pub(crate) what: &'a str,
    pub(crate) asked: Asked<'a>,
    pub(crate) credential: &'a carnet_core::Credential,
    pub(crate) proof: &'a Proof,
    pub(crate) now: Timestamp,
}

/// What a token endpoint said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OAuthError {
    /// `error`, for instance `invalid_grant`.
    pub code: Option<String>,
    /// `error_description`, safe to show.
    pub description: Option<String>,
}

/// Reads an error body (RFC 6749, 5.2). What is not there stays `None`.
pub fn parse_error(body: &[u8]) -> OAuthError {
    parse_without(body, &[])
}

/// A text that quotes what was sent is not shown at all: cutting it out would tell how long it is, and miss its parts.
fn parse_without(body: &[u8], secrets: &[Secret]) -> OAuthError {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else { return OAuthError::default() };
    let secrets: Vec<&Secret> = secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET).collect();
    let text = |name: &str| {
        let text = members.get(name)?.as_str()?;
        let quotes = without_echo(text, &secrets) != text;
        (!quotes).then(|| safe_text(text)).filter(|text| !text.is_empty())
    };
    let is_code = |code: &String| code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_graphic());
    OAuthError { code: text("error").filter(is_code), description: text("error_description") }
}

/// The error for an answer that is not a success.
pub(crate) fn refusal(response: &Response, attempt: &Attempt<'_>) -> Error {
    let said = parse_without(response.body.expose(), &attempt.proof.secrets);
    if let Some(error) = not_now(response, &said, attempt) {
        return error;
    }
    if said.code.is_none() {
        return not_an_answer(response.status, attempt.what);
    }
    let (kind, clause) = meaning(&said);
    let error = base(kind, attempt.what, &said).clause(clause);
    hints(clause, attempt).into_iter().fold(error, Error::hint)
}

/// Kind and clause of a code.
fn meaning(said: &OAuthError) -> (ErrorKind, &'static str) {
    let about_time = said.description.as_deref().is_some_and(|text| text.to_ascii_lowercase().contains("expired"));
    match said.code.as_deref().unwrap_or_default() {
        "invalid_grant" if about_time => (ErrorKind::Expired, "expired"),
        "invalid_grant" => (ErrorKind::Refused, "subject-token"),
        "invalid_client" => (ErrorKind::Refused, "client"),
        "unauthorized_client" => (ErrorKind::Policy, "client"),
        "access_denied" => (ErrorKind::Policy, "policy"),
        "invalid_target" => (ErrorKind::Refused, "target"),
        "invalid_scope" => (ErrorKind::Refused, "scope"),
        "unsupported_grant_type" => (ErrorKind::Refused, "grant"),
        _ => (ErrorKind::Refused, "request"),
    }
}

fn hints(clause: &str, attempt: &Attempt<'_>) -> Vec<String> {
    let Attempt { asked, .. } = attempt;
    match clause {
        "subject-token" => vec![
            shown(attempt),
            "the issuer, the subject and the audience must be those that the other side trusts, character by character".to_owned(),
        ],
        "expired" => vec!["get a new token just before the exchange".to_owned(), "compare the clocks".to_owned()],
        "client" => vec![
            "check `client_id`, the secret, and `client_auth`: servers differ in whether they read the header or the form".to_owned(),
            "the client must be registered there, and be allowed this grant".to_owned(),
        ],
        "policy" => vec![shown(attempt), "a rule of the other side denies it; its log says which".to_owned()],
        "target" => vec![format!(
            "the other side does not give tokens for what was asked (audience: {}; resource: {}): compare it with what it is configured for",
            listed(asked.audiences),
            listed(asked.resources)
        )],
        "scope" => vec![format!("the scope asked for was {}: ask for those that are allowed", listed(asked.scopes))],
        "grant" => vec!["the other side does not offer this grant here: check `grant` and the address".to_owned()],
        _ => vec![
            "RFC 8693 gives this code also for a token that is not accepted, so look at both request and token".to_owned(),
            shown(attempt),
        ],
    }
}

/// The half of the comparison that the user can check here.
fn shown(attempt: &Attempt<'_>) -> String {
    let fact =
        |name: &str| attempt.credential.facts.get(name).map_or_else(|| "not known".to_owned(), |text| safe_text(text));
    format!("the token shown has iss {}, sub {}, aud {}", fact("issuer"), fact("subject"), fact("audience"))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { safe_text(&names.join(" ")) }
}

/// Overload and outages: the same request may succeed later.
fn not_now(response: &Response, said: &OAuthError, attempt: &Attempt<'_>) -> Option<Error> {
    let status = response.status;
    let says_so = matches!(said.code.as_deref(), Some("temporarily_unavailable" | "server_error" | "slow_down"));
    if !(status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() || says_so) {
        return None;
    }
    let what = format!("{}: HTTP {}", attempt.what, status.as_u16());
    let limited = status == StatusCode::TOO_MANY_REQUESTS || said.code.as_deref() == Some("slow_down");
    let error = base(ErrorKind::Unreachable, &what, said).clause(if limited { "rate-limit" } else { "unavailable" });
    let error = match wait(response, attempt.now) {
        Some(seconds) => error.hint(format!("the service asks to wait {seconds} s before the next attempt")),
        None => error,
    };
    Some(if limited {
        error.hint("too many requests: share the token among callers, and keep it while it counts")
    } else {
        error.hint("the service is busy or broken; the same request may succeed later")
    })
}

/// `Retry-After` in seconds, from either of its forms (RFC 9110, 10.2.3).
pub(crate) fn wait(response: &Response, now: Timestamp) -> Option<i64> {
    let value = response.header("retry-after")?.trim();
    let seconds = value.parse().ok().or_else(|| {
        let date = DateTimeParser::new().parse_timestamp(value).ok()?;
        Some(date.duration_since(now).as_secs())
    })?;
    (1..=LONGEST_WAIT).contains(&seconds).then_some(seconds)
}

fn not_an_answer(status: StatusCode, what: &str) -> Error {
    let error = Error::unreachable(format!("{what}: HTTP {} without an error code", status.as_u16()));
    match status.as_u16() {
        300..=399 => error.hint("redirects are not followed: tokens are sent only where the configuration says"),
        _ => error
            .hint("this is not how a token endpoint answers: check the address, and whether a proxy stands in between"),
    }
}

fn base(kind: ErrorKind, what: &str, said: &OAuthError) -> Error {
    let error = Error::new(kind, what);
    let description = said.description.as_deref().unwrap_or("no description");
    match &said.code {
        Some(code) => error.because(Error::new(kind, format!("{code}: {description}"))).code(code),
        None => error.because(Error::new(kind, description)),
    }
}

#[cfg(test)]
mod tests;
