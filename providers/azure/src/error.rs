//! Entra's refusals: the code, the clause that failed, and the fix.
//!
//! The codes are those of "Microsoft Entra authentication error codes" and of texts that users quote in public issues; a
//! code that is not known still gives code and description. The README's table lists them with their sources. The clauses
//! are those of [`crate::trust`].

mod catalogue;

use carnet_core::{Credential, Error, ErrorKind, Material, Response, Secret, safe_text, without_echo};
use carnet_jose::UnverifiedJwt;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use self::catalogue::{Known, recognise};

/// What was attempted, for the hints.
pub(crate) struct Attempt<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) scope: &'a str,
    /// `iss`, `sub` and `aud` of the subject token, if known.
    pub(crate) issuer: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    pub(crate) audience: Option<&'a str>,
    /// Whether the token counts only from a time in the future, by this machine's clock.
    pub(crate) is_early: bool,
    /// The token, which no answer may repeat.
    pub(crate) token: Option<&'a Secret>,
}

impl<'a> Attempt<'a> {
    /// With what the credential says of itself.
    pub(crate) fn of(
        credential: &'a Credential,
        now: Timestamp,
        tenant: &'a str,
        client_id: &'a str,
        scope: &'a str,
    ) -> Self {
        let fact = |name: &str| credential.facts.get(name).map(String::as_str);
        let (issuer, subject, audience) = (fact("issuer"), fact("subject"), fact("audience"));
        let token = match &credential.material {
            Material::Jwt(token) => Some(token),
            _ => None,
        };
        let is_early = token.and_then(counts_from).is_some_and(|at| at > now);
        Self { tenant, client_id, scope, issuer, subject, audience, is_early, token }
    }
}

/// From when a token counts: the later of `iat` and `nbf`.
fn counts_from(token: &Secret) -> Option<Timestamp> {
    let jwt = UnverifiedJwt::parse(token.expose()).ok()?;
    let claims = jwt.unverified_claims();
    claims.time("iat").max(claims.time("nbf"))
}

/// What Entra said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntraError {
    /// The OAuth error, `invalid_client` and so on.
    pub error: Option<String>,
    /// The number after `AADSTS`.
    pub code: Option<u32>,
    /// The description without identifiers and time, safe to show.
    pub description: Option<String>,
    /// What names the attempt in the tenant's sign-in log.
    pub trace_id: Option<String>,
    /// Whether a claims challenge came along.
    pub has_claims: bool,
}

/// Reads a refusal. The code is the first of `error_codes`, else what stands after `AADSTS` in the description. What is not there
/// stays `None`.
pub fn parse_error(body: &[u8]) -> EntraError {
    parse_without(body, None)
}

/// A text that quotes the token is not shown at all.
fn parse_without(body: &[u8], token: Option<&Secret>) -> EntraError {
    let quotes = |text: &str| token.is_some_and(|token| without_echo(text, &[token]) != text);
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return EntraError::default() };
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let shown = |text: &str| Some(text).filter(|text| !quotes(text)).map(safe_text).filter(|text| !text.is_empty());
    let described = text("error_description").unwrap_or_default();
    let first = body.get("error_codes").and_then(Value::as_array).and_then(|codes| codes.first());
    let code = first.and_then(Value::as_u64).and_then(|code| u32::try_from(code).ok());
    // Older answers part the identifiers by line ends, newer ones by blanks.
    let sentence = described.split("Trace ID:").next().unwrap_or_default();
    EntraError {
        error: text("error").and_then(shown),
        code: code.or_else(|| code_in(described)),
        description: shown(sentence),
        trace_id: text("trace_id").and_then(shown),
        has_claims: text("claims").is_some_and(|claims| !claims.is_empty()),
    }
}

/// The number after the first `AADSTS` of a text.
pub(crate) fn code_in(text: &str) -> Option<u32> {
    let (_, after) = text.split_once("AADSTS")?;
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after.get(..end)?.parse().ok()
}

/// A refusal of the token endpoint.
pub(crate) fn token_endpoint(response: &Response, attempt: &Attempt<'_>) -> Error {
    const WHAT: &str = "exchange the subject token at Entra";
    let said = parse_without(response.body.expose(), attempt.token);
    let status = response.status;
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        return with_cause(ErrorKind::Unreachable, &format!("{WHAT}: HTTP {}", status.as_u16()), &said)
            .hint("the service is busy or broken; the same request may succeed later");
    }
    if said.error.is_none() && said.code.is_none() {
        return Error::unreachable(format!("{WHAT}: HTTP {} without an error code", status.as_u16()))
            .hint("this is not how Entra answers: check the authority, and whether a proxy stands in between");
    }
    refusal(WHAT, &said, attempt)
}

/// The error of a refusal, wherever its code was found.
pub(crate) fn refusal(what: &str, said: &EntraError, attempt: &Attempt<'_>) -> Error {
    let Known { clause, kind, .. } = *recognise(said);
    // Entra has one code for a token that is over and one that does not count yet.
    let clause = if clause == "expired" && attempt.is_early { "not-yet" } else { clause };
    let error = with_cause(kind, what, said).clause(clause);
    let error = catalogue::hints(clause, said, attempt).into_iter().fold(error, Error::hint);
    match &said.trace_id {
        Some(trace) => error.hint(format!("the tenant's sign-in log has it as trace {trace}")),
        None => error,
    }
}

fn with_cause(kind: ErrorKind, what: &str, said: &EntraError) -> Error {
    let code = said.code.map(|code| format!("AADSTS{code}")).or_else(|| said.error.clone());
    let description = said.description.clone().or_else(|| said.error.clone());
    let description = description.unwrap_or_else(|| "no description".to_owned());
    let error = Error::new(kind, what).because(Error::new(kind, description));
    match code {
        Some(code) => error.code(code),
        None => error,
    }
}

#[cfg(test)]
mod tests;
