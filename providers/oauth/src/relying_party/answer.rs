//! The answer of a service, by the places that the catalogue names.

use carnet_core::{AccessToken, Credential, Error, Material, Response, Secret, safe_text};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::refusal::{self, Attempt};
use crate::{
    answer::{TokenAnswer, seconds},
    call::malformed,
    catalogue::{Answer, Lifetime},
};

/// What was given.
///
/// # Errors
/// What is wrong with the answer, without any of its values; or the refusal, for services that say no with status 200.
pub(super) fn credential(response: &Response, attempt: &Attempt<'_>) -> Result<Credential, Error> {
    let described = format!("HTTP {}, {} bytes", response.status.as_u16(), response.body.len());
    let what = format!("read the answer of {}", attempt.party.title);
    match read(response, attempt) {
        Ok(made) => Ok(made),
        Err(_) if refusal::is_refusal(response, attempt) => Err(refusal::refusal(response, attempt)),
        Err(Wrong::Over) => Err(Error::expired(format!("{what}: the token is over already"))
            .clause("expired")
            .hint("it has just been issued: compare this machine's clock, and try again")),
        Err(Wrong::Form(wrong)) => Err(malformed(&what, &described, wrong)),
    }
}

/// What is wrong with an answer.
enum Wrong {
    Form(String),
    Over,
}

impl From<String> for Wrong {
    fn from(text: String) -> Self {
        Self::Form(text)
    }
}

impl From<&str> for Wrong {
    fn from(text: &str) -> Self {
        Self::Form(text.to_owned())
    }
}

fn read(response: &Response, attempt: &Attempt<'_>) -> Result<Credential, Wrong> {
    let answer = &attempt.party.answer;
    let body: Value = serde_json::from_slice(response.body.expose()).ok().ok_or("it is not JSON")?;
    let place = answer.token.as_deref().unwrap_or_default();
    let token = at(&body, answer.token.as_deref()).and_then(Value::as_str).filter(|token| !token.is_empty());
    let token = Secret::new(token.ok_or_else(|| format!("there is no token at `{place}`"))?);
    check_type(&body, answer)?;
    let scope = at(&body, answer.scope.as_deref()).and_then(Value::as_str).map(safe_text);
    // The rules for what a token may be are those of every other token endpoint.
    let token_type = "Bearer".to_owned();
    let given = TokenAnswer { access_token: token, token_type, issued_token_type: None, expires_in: None, scope: None };
    given.check_token()?;
    let said = said(&body, answer, attempt.now)?;
    let TokenAnswer { access_token: token, token_type, .. } = given;
    let mut made = Credential::new(Material::AccessToken(AccessToken { token, token_type }));
    made.expires_at = end(&attempt.party.lifetime, said, attempt);
    made.facts.extend(scope.map(|scope| ("scope", scope)));
    Ok(made)
}

/// What stands at a place, unless it is `null`.
fn at<'a>(body: &'a Value, place: Option<&str>) -> Option<&'a Value> {
    body.pointer(place?).filter(|value| !value.is_null())
}

fn check_type(body: &Value, answer: &Answer) -> Result<(), String> {
    let (Some(place), Some(wanted)) = (answer.kind.as_deref(), answer.type_is.as_deref()) else { return Ok(()) };
    match at(body, Some(place)).and_then(Value::as_str) {
        Some(seen) if seen.eq_ignore_ascii_case(wanted) => Ok(()),
        Some(seen) => Err(format!("`{place}` is {}, not {wanted}", safe_text(seen))),
        None => Err(format!("`{place}` is missing, and should be {wanted}")),
    }
}

/// The end that the answer names.
fn said(body: &Value, answer: &Answer, asked_at: Timestamp) -> Result<Option<Timestamp>, Wrong> {
    let life = at(body, answer.expires_in.as_deref()).map(seconds).transpose()?;
    let life = life.filter(|seconds| *seconds != 0 || !answer.zero_is_silence);
    let written = at(body, answer.expires.as_deref())
        .map(|value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok()).ok_or("its end is not a time"))
        .transpose()?;
    let said = life.and_then(|life| after(asked_at, life)).or(written);
    match said {
        Some(end) if end <= asked_at => Err(Wrong::Over),
        None if answer.expiry_needed => Err("it does not say when the token ends".into()),
        said => Ok(said),
    }
}

/// The earliest end that anything gives a reason for.
fn end(lifetime: &Lifetime, said: Option<Timestamp>, attempt: &Attempt<'_>) -> Option<Timestamp> {
    let counted = |life: Option<i64>| life.and_then(|life| after(attempt.now, life));
    let shown = attempt.credential.expires_at.filter(|_| lifetime.ends_with_token);
    [said.or_else(|| counted(lifetime.seconds)), counted(lifetime.longest), shown].into_iter().flatten().min()
}

fn after(time: Timestamp, seconds: i64) -> Option<Timestamp> {
    time.checked_add(SignedDuration::from_secs(seconds)).ok()
}
