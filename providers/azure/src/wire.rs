//! Bodies of Entra's token endpoint (v2) and of the managed identity endpoints.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use carnet_core::{Secret, check_token};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// RFC 7523, 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Longest life that is believed, in seconds: tokens for resources that check continuously live 24 hours or more.
const MAX_LIFE: i64 = 86_400 * 366;

/// The request to the token endpoint.
pub(crate) struct TokenRequest<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) assertion: &'a Secret,
    pub(crate) claims: Option<&'a str>,
}

impl TokenRequest<'_> {
    /// The form fields.
    pub(crate) fn fields(&self) -> Vec<(&str, &str)> {
        let mut fields = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id),
            ("scope", self.scope),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", self.assertion.expose()),
        ];
        fields.extend(self.claims.map(|claims| ("claims", claims)));
        fields
    }
}

/// An access token and its end.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// The access token.
    pub access_token: Secret,
    /// Its end.
    pub expires_at: Timestamp,
    /// The client id of the identity, if a managed identity endpoint says it.
    pub client_id: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    access_token: Secret,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<Value>,
    #[serde(default)]
    expires_on: Option<Value>,
    #[serde(default)]
    client_id: Option<String>,
}

impl Raw {
    fn read(body: &[u8]) -> Result<Self, &'static str> {
        let raw: Self = serde_json::from_slice(body).ok().ok_or("it is not JSON with `access_token`")?;
        if raw.access_token.is_empty() {
            return Err("`access_token` is empty");
        }
        check_token(&raw.access_token).map_err(|_wrong| "`access_token` is not one word of visible ASCII")?;
        if raw.token_type.as_deref().is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err("`token_type` is not Bearer");
        }
        Ok(raw)
    }

    fn life(&self, now: Timestamp) -> Result<Option<Timestamp>, &'static str> {
        let Some(value) = self.expires_in.as_ref().filter(|value| !value.is_null()) else { return Ok(None) };
        let seconds = number(value).filter(|seconds| (0..=MAX_LIFE).contains(seconds));
        let seconds = seconds.ok_or("`expires_in` is not a number of seconds")?;
        Ok(now.checked_add(SignedDuration::from_secs(seconds)).ok())
    }

    fn answer(self, expires_at: Timestamp) -> TokenAnswer {
        let client_id = self.client_id.map(|id| carnet_core::safe_text(&id)).filter(|id| !id.is_empty());
        TokenAnswer { access_token: self.access_token, expires_at, client_id }
    }
}

/// Reads the answer of the token endpoint (RFC 6749, 5.1): `expires_in` is a number there. `now` is the time before the
/// request.
///
/// # Errors
/// What is wrong with it, without any of its values.
pub fn parse_token_answer(body: &[u8], now: Timestamp) -> Result<TokenAnswer, &'static str> {
    let raw = Raw::read(body)?;
    if raw.token_type.is_none() {
        return Err("`token_type` is missing");
    }
    let end = raw.life(now)?.ok_or("`expires_in` is missing")?;
    Ok(raw.answer(end))
}

/// Reads the answer of a managed identity endpoint: `expires_on` (seconds since 1970) and `expires_in` are numbers as text, and
/// one of them is enough; numbers are taken too.
///
/// # Errors
/// What is wrong with it, without any of its values.
pub fn parse_managed_answer(body: &[u8], now: Timestamp) -> Result<TokenAnswer, &'static str> {
    let raw = Raw::read(body)?;
    let on = match raw.expires_on.as_ref().filter(|value| !value.is_null()) {
        Some(value) => {
            let end = number(value).and_then(|seconds| Timestamp::from_second(seconds).ok());
            Some(end.ok_or("`expires_on` is not a number of seconds since 1970")?)
        }
        None => None,
    };
    let end = match on {
        Some(end) => end,
        None => raw.life(now)?.ok_or("neither `expires_on` nor `expires_in` is there")?,
    };
    Ok(raw.answer(end))
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()))
}

/// Base64 in either alphabet, padded or not.
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = text.replace('-', "+").replace('_', "/");
    GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::NOW;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    const ENTRA: &str = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"t"}"#;
    const IMDS: &str = r#"{"access_token":"t","client_id":"c","expires_in":"86399","expires_on":"1795348799","ext_expires_in":"86399","not_before":"1795262100","resource":"https://storage.azure.com","token_type":"Bearer"}"#;

    #[test]
    fn reads_the_answers_as_they_are_written() {
        assert_eq!(parse_token_answer(ENTRA.as_bytes(), now()).unwrap().expires_at.as_second(), NOW + 3599);
        let answer = parse_managed_answer(IMDS.as_bytes(), now()).unwrap();
        assert_eq!((answer.expires_at.as_second(), answer.client_id.as_deref()), (1_795_348_799, Some("c")));
        let without = IMDS.replace(r#""expires_on":"1795348799","#, "");
        assert_eq!(parse_managed_answer(without.as_bytes(), now()).unwrap().expires_at.as_second(), NOW + 86_399);
    }

    #[test]
    fn rejects_answers_bent_in_one_place() {
        for (from, to, says) in [
            (r#""t""#, r#""""#, "`access_token` is empty"),
            (r#""t""#, r#""t\r\nX-Evil: 1""#, "`access_token` is not one word of visible ASCII"),
            (r#""t""#, r#""t t""#, "`access_token` is not one word of visible ASCII"),
            ("Bearer", "pop", "`token_type` is not Bearer"),
            (r#""token_type":"Bearer","#, "", "`token_type` is missing"),
            (r#""expires_in":3599,"#, "", "`expires_in` is missing"),
            ("3599", "-1", "`expires_in` is not a number of seconds"),
            (r#""access_token""#, r#""token""#, "it is not JSON with `access_token`"),
        ] {
            assert_eq!(parse_token_answer(ENTRA.replacen(from, to, 1).as_bytes(), now()).unwrap_err(), says);
        }
        let bent = IMDS.replace("1795348799", "soon");
        assert!(parse_managed_answer(bent.as_bytes(), now()).unwrap_err().contains("since 1970"));
        let bent = IMDS.replacen(r#""t""#, r#""t\n""#, 1);
        assert!(parse_managed_answer(bent.as_bytes(), now()).unwrap_err().contains("visible ASCII"));
        assert!(parse_managed_answer(br#"{"access_token":"t"}"#, now()).unwrap_err().contains("neither"));
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (parse_token_answer(&body, now()).is_ok(), parse_managed_answer(&body, now()).is_ok());
        }
    }
}
