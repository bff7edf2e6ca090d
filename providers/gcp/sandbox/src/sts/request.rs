//! The request of an exchange (RFC 8693, 2.1), in the two encodings that Google takes.

use std::fmt;

use carnet_core::Secret;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The only grant.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What may be asked for.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Subject tokens that this emulator verifies; an ID token is handled like any JWT.
const SUBJECT_TYPES: [(&str, SubjectType); 4] = [
    ("urn:ietf:params:oauth:token-type:jwt", SubjectType::Jwt),
    ("urn:ietf:params:oauth:token-type:id_token", SubjectType::Jwt),
    ("urn:ietf:params:aws:token-type:aws4_request", SubjectType::Aws),
    ("urn:ietf:params:oauth:token-type:mtls", SubjectType::Certificate),
];
/// Subject tokens that Google takes besides.
const OTHER_SUBJECT_TYPES: [&str; 2] = [ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:saml2"];
/// Longest `options`, in bytes.
const MAX_OPTIONS: usize = 4 << 20;

/// An exchange as it was asked for.
#[derive(Debug)]
pub struct ExchangeRequest {
    /// The provider.
    pub audience: String,
    /// Scopes, separated by blanks.
    pub scope: String,
    /// The token.
    pub subject_token: Secret,
    /// What it is said to be.
    pub subject_type: SubjectType,
}

/// Kinds of subject tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectType {
    /// A signed request to AWS.
    Aws,
    /// A chain of certificates.
    Certificate,
    /// A JWT.
    Jwt,
}

/// Why a request is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMistake {
    /// `invalid_request`, `unsupported_grant_type` and so on.
    pub code: &'static str,
    /// What is wrong. Never a value of the request.
    pub description: String,
}

impl fmt::Display for RequestMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.description)
    }
}

impl std::error::Error for RequestMistake {}

/// Reads a form with names in snake case, or JSON with names in either case.
///
/// # Errors
/// What is missing, twice there, or not what an exchange takes.
pub fn parse_exchange(content_type: &str, body: &[u8]) -> Result<ExchangeRequest, RequestMistake> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let fields = match kind.as_str() {
        "application/x-www-form-urlencoded" => url::form_urlencoded::parse(body).into_owned().collect(),
        "application/json" => json_fields(body)?,
        _ => {
            return Err(mistake("The content type is neither application/x-www-form-urlencoded nor application/json."));
        }
    };
    let fields = Fields(fields);
    let grant_type = fields.required("grant_type")?;
    if grant_type != GRANT_TYPE {
        let description = format!("Invalid value for \"grant_type\". It must be {GRANT_TYPE}.");
        return Err(RequestMistake { code: "unsupported_grant_type", description });
    }
    if fields.required("requested_token_type")? != ACCESS_TOKEN {
        return Err(invalid("requested_token_type"));
    }
    let subject_type = fields.required("subject_token_type")?;
    if OTHER_SUBJECT_TYPES.contains(&subject_type) {
        return Err(mistake("This \"subject_token_type\" is not emulated by the sandbox."));
    }
    let known = SUBJECT_TYPES.into_iter().find(|(name, _)| *name == subject_type);
    let (_, subject_type) = known.ok_or_else(|| invalid("subject_token_type"))?;
    if fields.optional("actor_token")?.is_some() {
        return Err(mistake("\"actor_token\" is not emulated by the sandbox."));
    }
    if let Some(options) = fields.optional("options")? {
        check_options(options)?;
    }
    Ok(ExchangeRequest {
        audience: fields.required("audience")?.to_owned(),
        scope: fields.required("scope")?.to_owned(),
        subject_token: Secret::new(fields.required("subject_token")?),
        subject_type,
    })
}

struct Fields(Vec<(String, String)>);

impl Fields {
    /// A field with a value; one without counts as missing, and one that is there twice is refused (RFC 6749, 3.2).
    fn optional(&self, name: &str) -> Result<Option<&str>, RequestMistake> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            return Err(mistake(format!("The parameter \"{name}\" is there more than once.")));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    fn required(&self, name: &str) -> Result<&str, RequestMistake> {
        self.optional(name)?.ok_or_else(|| mistake(format!("The parameter \"{name}\" is missing.")))
    }
}

/// The members of a JSON body, with names in snake case.
fn json_fields(body: &[u8]) -> Result<Vec<(String, String)>, RequestMistake> {
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return Err(mistake("The body is not a JSON object."));
    };
    let text = |name: &str, value: Value| match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(String::new()),
        _ => Err(mistake(format!("The member \"{name}\" is not a string."))),
    };
    members.into_iter().map(|(name, value)| Ok((snake_case(&name), text(&name, value)?))).collect()
}

fn snake_case(name: &str) -> String {
    name.chars().fold(String::with_capacity(name.len()), |mut snake, character| {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
        snake
    })
}

/// `options` is JSON, or JSON that was percent-encoded once more, as Google's Python library does it. What would narrow
/// the token and is not emulated is refused: a token that can do more than was asked is worse than none.
fn check_options(options: &str) -> Result<(), RequestMistake> {
    if options.len() > MAX_OPTIONS {
        return Err(invalid("options"));
    }
    let decoded = || percent_decode_str(options).decode_utf8().ok().and_then(|text| serde_json::from_str(&text).ok());
    let value: Option<Value> = serde_json::from_str(options).ok().or_else(decoded);
    let Some(Value::Object(members)) = value else { return Err(invalid("options")) };
    match members.keys().find(|name| ["accessBoundary", "bindCertFingerprint"].contains(&name.as_str())) {
        Some(name) => Err(mistake(format!("The option \"{name}\" is not emulated by the sandbox."))),
        None => Ok(()),
    }
}

fn invalid(name: &str) -> RequestMistake {
    mistake(format!("Invalid value for \"{name}\"."))
}

fn mistake(description: impl Into<String>) -> RequestMistake {
    RequestMistake { code: "invalid_request", description: description.into() }
}

#[cfg(test)]
mod tests;
