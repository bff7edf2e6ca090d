//! The answer of a token endpoint (RFC 6749, 5.1; RFC 8693, 2.2.1).

use carnet_core::{Secret, check_token, safe_text};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::token_type::ACCESS_TOKEN;

/// Longest life that is believed, in seconds: a year and a day. More is another unit, or nonsense.
const LONGEST_LIFE: i64 = 86_400 * 366;

/// What a token endpoint answered.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// The token, whatever its type: RFC 8693 calls it so for all of them.
    pub access_token: Secret,
    /// How it is used: `Bearer`, or `N_A` for what is not an access token.
    pub token_type: String,
    /// What it is, as an identifier of RFC 8693, 3.
    pub issued_token_type: Option<String>,
    /// Life in seconds; not above 0 for a token that is over already.
    pub expires_in: Option<i64>,
    /// The scopes that were given, if they are not those asked for.
    pub scope: Option<String>,
}

/// Reads the answer of a token endpoint.
///
/// # Errors
/// What is wrong with it, without any of its values.
pub fn parse_token_answer(body: &[u8]) -> Result<TokenAnswer, &'static str> {
    #[derive(Deserialize)]
    struct Raw {
        access_token: Secret,
        token_type: String,
        #[serde(default)]
        issued_token_type: Option<String>,
        #[serde(default)]
        expires_in: Option<Value>,
        #[serde(default)]
        scope: Option<String>,
    }
    let raw: Raw = serde_json::from_slice(body).ok().ok_or("it is not JSON with `access_token` and `token_type`")?;
    if raw.access_token.is_empty() {
        return Err("`access_token` is empty");
    }
    let expires_in = raw.expires_in.filter(|value| !value.is_null()).map(|value| seconds(&value)).transpose()?;
    Ok(TokenAnswer {
        access_token: raw.access_token,
        token_type: raw.token_type,
        issued_token_type: raw.issued_token_type,
        expires_in,
        scope: raw.scope,
    })
}

/// Some servers write the number as text.
pub(crate) fn seconds(value: &Value) -> Result<i64, &'static str> {
    let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    let bounds = -LONGEST_LIFE..=LONGEST_LIFE;
    number.filter(|seconds| bounds.contains(seconds)).ok_or("`expires_in` is not a sensible number of seconds")
}

impl TokenAnswer {
    /// Whether type and use are what was asked for. `requested` is what the request named, if it named one; `bearer` says
    /// that the token is going to be sent as one.
    pub(crate) fn check_types(&self, requested: Option<&str>, bearer: bool) -> Result<(), String> {
        // RFC 6749 has no such member, and means access tokens; RFC 8693 demands it.
        let issued = self.issued_token_type.as_deref().unwrap_or(ACCESS_TOKEN);
        if let Some(requested) = requested.filter(|requested| *requested != issued) {
            let seen = self.issued_token_type.as_deref().map_or_else(|| "missing".to_owned(), safe_text);
            return Err(format!("`issued_token_type` is {seen}, {requested} was asked for"));
        }
        let is_bearer = self.token_type.eq_ignore_ascii_case("bearer");
        // RFC 8693, 2.2.1: `N_A` for a token that is not used as an access token.
        let not_applicable = self.token_type.eq_ignore_ascii_case("n_a");
        if is_bearer || (not_applicable && !bearer && issued != ACCESS_TOKEN) {
            return Ok(());
        }
        Err(format!("`token_type` is {}, which cannot be used here", safe_text(&self.token_type)))
    }

    /// Whether it is one word that a header can carry.
    pub(crate) fn check_token(&self) -> Result<(), &'static str> {
        check_token(&self.access_token).map_err(|_wrong| "`access_token` is not one word of visible ASCII")
    }

    /// When it ends, by a clock that was read before the request.
    pub(crate) fn expires_at(&self, asked_at: Timestamp) -> Option<Timestamp> {
        self.expires_in.and_then(|seconds| asked_at.checked_add(SignedDuration::from_secs(seconds)).ok())
    }

    /// Scopes that were asked for and not given.
    pub(crate) fn scopes_left_out<'a>(&self, asked: &'a [String]) -> Vec<&'a str> {
        let Some(given) = &self.scope else { return Vec::new() };
        let given: Vec<&str> = given.split(' ').collect();
        asked.iter().map(String::as_str).filter(|scope| !given.contains(scope)).collect()
    }
}

#[cfg(test)]
mod tests;
