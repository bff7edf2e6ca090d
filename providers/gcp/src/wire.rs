//! Bodies of the token exchange (RFC 8693 as "Method: token" of the Security Token Service has it) and of the IAM Service
//! Account Credentials API.

use carnet_core::{Secret, check_token};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The scope asked of the token service when its token only serves to call IAM, as Google's Python and Rust libraries
/// do: the federated token can then do nothing else.
pub(crate) const IAM_SCOPE: &str = "https://www.googleapis.com/auth/iam";
/// The scope when none is configured.
pub(crate) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How the subject token is announced to the token service. Both mean a signed JWT and are handled alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SubjectTokenType {
    /// `urn:ietf:params:oauth:token-type:jwt`
    #[default]
    #[serde(rename = "jwt", alias = "urn:ietf:params:oauth:token-type:jwt")]
    Jwt,
    /// `urn:ietf:params:oauth:token-type:id_token`
    #[serde(rename = "id-token", alias = "urn:ietf:params:oauth:token-type:id_token")]
    IdToken,
}

impl SubjectTokenType {
    /// The identifier on the wire (RFC 8693, 3).
    pub const fn urn(self) -> &'static str {
        match self {
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
        }
    }

    /// The type with this identifier.
    pub fn from_urn(urn: &str) -> Option<Self> {
        [Self::Jwt, Self::IdToken].into_iter().find(|kind| kind.urn() == urn)
    }
}

/// The request to the token service.
pub(crate) struct TokenRequest<'a> {
    pub(crate) audience: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) subject_token: &'a Secret,
    /// The identifier of its type (RFC 8693, 3).
    pub(crate) subject_token_type: &'a str,
    /// A JSON object as text; encoded once by the form, as Go and Rust do. (Python encodes it twice.)
    pub(crate) options: Option<&'a str>,
}

impl TokenRequest<'_> {
    /// The form fields.
    pub(crate) fn fields(&self) -> Vec<(&str, &str)> {
        let mut fields = vec![
            ("grant_type", GRANT),
            ("audience", self.audience),
            ("scope", self.scope),
            ("requested_token_type", ACCESS_TOKEN),
            ("subject_token", self.subject_token.expose()),
            ("subject_token_type", self.subject_token_type),
        ];
        fields.extend(self.options.map(|options| ("options", options)));
        fields
    }
}

/// The token service's answer.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// The federated access token.
    pub access_token: Secret,
    /// Life in seconds; not above 0 for a token that is over already. Absent only when the subject token was Google's own.
    pub expires_in: Option<i64>,
}

/// Reads the token service's answer.
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
    }
    let raw: Raw = serde_json::from_slice(body).ok().ok_or("it is not JSON with `access_token` and `token_type`")?;
    check_token(&raw.access_token).map_err(|_wrong| "`access_token` is not one word of visible ASCII")?;
    if !raw.token_type.eq_ignore_ascii_case("bearer") {
        return Err("`token_type` is not Bearer");
    }
    if raw.issued_token_type.is_some_and(|issued| issued != ACCESS_TOKEN) {
        return Err("`issued_token_type` is not an access token");
    }
    let expires_in = raw.expires_in.filter(|value| !value.is_null()).map(|value| seconds(&value)).transpose()?;
    Ok(TokenAnswer { access_token: raw.access_token, expires_in })
}

/// Google's libraries accept a number and a numeric text.
fn seconds(value: &Value) -> Result<i64, &'static str> {
    let number = value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    let bound = 86_400 * 366;
    number.filter(|seconds| (-bound..=bound).contains(seconds)).ok_or("`expires_in` is not a number of seconds")
}

/// The body of `generateAccessToken`.
pub(crate) fn access_token_request(scopes: &[String], lifetime: Option<i64>, delegates: &[String]) -> Value {
    let mut body = json!({ "scope": scopes });
    if let (Some(seconds), Some(body)) = (lifetime, body.as_object_mut()) {
        // A protobuf duration: seconds with an `s`.
        body.insert("lifetime".to_owned(), json!(format!("{seconds}s")));
    }
    with_delegates(body, delegates)
}

/// The body of `generateIdToken`.
pub(crate) fn id_token_request(audience: &str, include_email: bool, delegates: &[String]) -> Value {
    with_delegates(json!({ "audience": audience, "includeEmail": include_email }), delegates)
}

fn with_delegates(mut body: Value, delegates: &[String]) -> Value {
    if let (false, Some(members)) = (delegates.is_empty(), body.as_object_mut()) {
        let names = delegates.iter().map(|account| json!(format!("projects/-/serviceAccounts/{account}"))).collect();
        members.insert("delegates".to_owned(), Value::Array(names));
    }
    body
}

/// Reads the answer of `generateAccessToken`.
///
/// # Errors
/// What is wrong with it, without any of its values.
pub fn parse_access_token_answer(body: &[u8]) -> Result<(Secret, Timestamp), &'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Raw {
        access_token: Secret,
        expire_time: String,
    }
    let raw: Raw = serde_json::from_slice(body).ok().ok_or("it is not JSON with `accessToken` and `expireTime`")?;
    check_token(&raw.access_token).map_err(|_wrong| "`accessToken` is not one word of visible ASCII")?;
    let expires = raw.expire_time.parse().ok().ok_or("`expireTime` is not a time (RFC 3339)")?;
    Ok((raw.access_token, expires))
}

/// Reads the answer of `generateIdToken`.
///
/// # Errors
/// What is wrong with it, without any of its values.
pub fn parse_id_token_answer(body: &[u8]) -> Result<Secret, &'static str> {
    #[derive(Deserialize)]
    struct Raw {
        token: Secret,
    }
    let raw: Raw = serde_json::from_slice(body).ok().ok_or("it is not JSON with `token`")?;
    check_token(&raw.token).map_err(|_wrong| "`token` is not one word of visible ASCII")?;
    Ok(raw.token)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_answers_as_google_writes_them() {
        let body = br#"{"access_token":"ya29.d.x","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3599}"#;
        assert_eq!(parse_token_answer(body).unwrap().expires_in, Some(3599));
        let text = String::from_utf8_lossy(body).replace("3599", "\"3599\"");
        assert_eq!(parse_token_answer(text.as_bytes()).unwrap().expires_in, Some(3599));
        let (_, expires) =
            parse_access_token_answer(br#"{"accessToken":"ya29.x","expireTime":"2026-11-21T12:00:00Z"}"#).unwrap();
        assert_eq!(expires.as_second(), 1_795_262_400);
    }

    #[test]
    fn rejects_answers_bent_in_one_place() {
        let good = r#"{"access_token":"t","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3599}"#;
        for (from, to, says) in [
            (r#""t""#, r#""""#, "`access_token` is not one word of visible ASCII"),
            (r#""t""#, r#""abc\r\nX-Evil: 1""#, "`access_token` is not one word of visible ASCII"),
            ("Bearer", "MAC", "`token_type` is not Bearer"),
            ("token-type:access_token", "token-type:saml2", "`issued_token_type` is not an access token"),
            ("3599", "1e99", "`expires_in` is not a number of seconds"),
            ("3599", "\"soon\"", "`expires_in` is not a number of seconds"),
            ("access_token\":\"t", "other\":\"t", "it is not JSON with `access_token` and `token_type`"),
        ] {
            assert_eq!(parse_token_answer(good.replacen(from, to, 1).as_bytes()).unwrap_err(), says);
        }
    }

    #[test]
    fn rejects_tokens_of_iam_that_no_header_carries() {
        let access = r#"{"accessToken":"t","expireTime":"2026-11-21T12:00:00Z"}"#;
        let id = r#"{"token":"t"}"#;
        assert!(parse_access_token_answer(access.as_bytes()).is_ok() && parse_id_token_answer(id.as_bytes()).is_ok());
        for bent in ["abc\\r\\nX-Evil: 1", "a b", "a\u{202e}b", ""] {
            let bend = |good: &str| good.replacen(r#":"t""#, &format!(r#":"{bent}""#), 1).into_bytes();
            let says = parse_access_token_answer(&bend(access)).unwrap_err();
            assert_eq!(says, "`accessToken` is not one word of visible ASCII", "{bent:?}");
            let says = parse_id_token_answer(&bend(id)).unwrap_err();
            assert_eq!(says, "`token` is not one word of visible ASCII", "{bent:?}");
        }
    }

    #[test]
    fn bodies_are_as_the_api_reads_them() {
        let delegates = ["a@p.iam.gserviceaccount.com".to_owned()];
        assert_eq!(
            access_token_request(&[CLOUD_PLATFORM.to_owned()], Some(1800), &delegates),
            json!({"scope": [CLOUD_PLATFORM], "lifetime": "1800s",
                "delegates": ["projects/-/serviceAccounts/a@p.iam.gserviceaccount.com"]})
        );
        assert_eq!(id_token_request("https://x", true, &[]), json!({"audience": "https://x", "includeEmail": true}));
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop((parse_token_answer(&body), parse_access_token_answer(&body), parse_id_token_answer(&body)));
        }
    }
}
