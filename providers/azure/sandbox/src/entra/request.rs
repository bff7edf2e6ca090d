//! The request of a token (RFC 6749, 4.4; RFC 7521, 4.2).

use std::fmt;

use carnet_core::Secret;
use serde_json::Value;

/// The only grant that is emulated.
const GRANT_TYPE: &str = "client_credentials";
/// Grants that Entra knows besides.
const OTHER_GRANTS: [&str; 5] = [
    "authorization_code",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
];
/// RFC 7523, 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How a client says that it can handle a claims challenge.
const CAPABILITY: &str = "/access_token/xms_cc/values";

/// Which endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `/oauth2/token`, with `resource`.
    First,
    /// `/oauth2/v2.0/token`, with `scope`.
    Second,
}

/// A token as it was asked for.
#[derive(Debug)]
pub struct TokenRequest {
    /// Who.
    pub client_id: String,
    /// The scope of the second endpoint, the resource of the first.
    pub target: String,
    /// By what.
    pub presented: Presented,
    /// Whether the client can handle claims challenges.
    pub continuous: bool,
}

/// What proves the client.
#[derive(Debug)]
pub enum Presented {
    /// A JWT.
    Assertion(Secret),
    /// A secret. No client here has one, so it is not kept.
    ClientSecret,
    /// Nothing.
    Nothing,
}

/// Why a request is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMistake {
    /// The number after `AADSTS`.
    pub code: u32,
    /// `invalid_request` and so on.
    pub error: &'static str,
    /// What is wrong. Never a value of the request but that of `grant_type`, made safe.
    pub text: String,
}

impl fmt::Display for RequestMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AADSTS{}: {}", self.code, self.text)
    }
}

impl std::error::Error for RequestMistake {}

/// Reads the form. A body of another type has no parameters.
///
/// # Errors
/// What is missing, twice there, or not what this endpoint takes.
pub fn parse_token_request(content_type: &str, body: &[u8], version: Version) -> Result<TokenRequest, RequestMistake> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let form = kind.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    let fields = Fields(url::form_urlencoded::parse(if form { body } else { &[] }).into_owned().collect());
    let grant_type = fields.required("grant_type")?;
    if OTHER_GRANTS.contains(&grant_type) {
        return Err(unsupported(format!("The grant '{grant_type}' is not emulated by the sandbox.")));
    }
    if grant_type != GRANT_TYPE {
        let shown = carnet_core::safe_text(grant_type);
        return Err(unsupported(format!("The app requested an unsupported grant type '{shown}'.")));
    }
    let client_id = fields.required("client_id")?.to_owned();
    let target = fields.required(if version == Version::First { "resource" } else { "scope" })?.to_owned();
    let continuous = match fields.optional("claims")? {
        None => false,
        Some(claims) => {
            let claims: Value = serde_json::from_str(claims).ok().filter(Value::is_object).ok_or_else(|| {
                mistake(9_000_014, "The request is not properly formatted. The parameter 'claims' is no JSON object.")
            })?;
            let values = claims.pointer(CAPABILITY).and_then(Value::as_array);
            values
                .is_some_and(|values| values.iter().filter_map(Value::as_str).any(|it| it.eq_ignore_ascii_case("cp1")))
        }
    };
    let presented = match (fields.optional("client_assertion")?, fields.optional("client_secret")?) {
        (Some(assertion), _) => {
            if fields.required("client_assertion_type")? != ASSERTION_TYPE {
                // UNCONFIRMED code.
                return Err(mistake(
                    90_014,
                    format!("The parameter 'client_assertion_type' must be '{ASSERTION_TYPE}'."),
                ));
            }
            Presented::Assertion(Secret::new(assertion))
        }
        (None, Some(_)) => Presented::ClientSecret,
        (None, None) => Presented::Nothing,
    };
    Ok(TokenRequest { client_id, target, presented, continuous })
}

struct Fields(Vec<(String, String)>);

impl Fields {
    /// A field with a value; one without counts as missing, and one that is there twice is refused (RFC 6749, 3.2).
    fn optional(&self, name: &str) -> Result<Option<&str>, RequestMistake> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            let text = format!("The request is not properly formatted. The parameter '{name}' is duplicated.");
            return Err(mistake(9_000_411, text));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    fn required(&self, name: &str) -> Result<&str, RequestMistake> {
        let missing = || mistake(900_144, format!("The request body must contain the following parameter: '{name}'."));
        self.optional(name)?.ok_or_else(missing)
    }
}

fn unsupported(text: String) -> RequestMistake {
    RequestMistake { code: 70_003, error: "unsupported_grant_type", text }
}

fn mistake(code: u32, text: impl Into<String>) -> RequestMistake {
    RequestMistake { code, error: "invalid_request", text: text.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn fields() -> Vec<(&'static str, &'static str)> {
        vec![
            ("grant_type", "client_credentials"),
            ("client_id", "c"),
            ("scope", "https://storage.azure.com/.default"),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", "a.b.c"),
            // What libraries send besides.
            ("client_info", "1"),
            ("x-client-SKU", "x"),
        ]
    }

    fn read(fields: &[(&str, &str)]) -> Result<TokenRequest, RequestMistake> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        parse_token_request(FORM, body.as_bytes(), Version::Second)
    }

    fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
        fields().into_iter().filter(|(known, _)| *known != name).chain([(name, value)]).collect()
    }

    #[test]
    fn accepts_what_the_libraries_send() {
        let request = read(&fields()).unwrap();
        assert_eq!((request.client_id.as_str(), request.continuous), ("c", false));
        assert!(matches!(request.presented, Presented::Assertion(_)));
        let continuous = with("claims", r#"{"access_token":{"xms_cc":{"values":["CP1"]}}}"#);
        assert!(read(&continuous).unwrap().continuous);
        assert!(matches!(read(&with("client_assertion", "")).unwrap().presented, Presented::Nothing));
        let secret: Vec<_> = with("client_assertion", "").into_iter().chain([("client_secret", "s")]).collect();
        assert!(matches!(read(&secret).unwrap().presented, Presented::ClientSecret));
    }

    #[test]
    fn rejects_a_request_bent_in_one_place() {
        for (bent, code) in [
            (with("grant_type", "password"), 70_003),
            (with("grant_type", "other"), 70_003),
            (with("grant_type", ""), 900_144),
            (with("client_id", ""), 900_144),
            (with("scope", ""), 900_144),
            (with("claims", "[]"), 9_000_014),
            (with("client_assertion_type", "x"), 90_014),
            (with("client_assertion_type", ""), 900_144),
            (fields().into_iter().chain([("client_id", "d")]).collect(), 9_000_411),
        ] {
            assert_eq!(read(&bent).unwrap_err().code, code, "{bent:?}");
        }
        let other = parse_token_request("application/json", b"grant_type=client_credentials", Version::Second);
        assert_eq!(other.unwrap_err().code, 900_144);
    }

    proptest! {
        #[test]
        fn any_body_is_answered(body in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(parse_token_request(FORM, &body, Version::First));
        }
    }
}
