//! What a caller of the token endpoint is told when the answer is no.

use std::{borrow::Cow, fmt};

use serde_json::json;

/// The codes of RFC 6749, 5.2, RFC 8693, 2.2.2 and RFC 7009, 2.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OAuthCode {
    /// A parameter is missing, repeated or malformed; a subject or actor token is not accepted (RFC 8693, 2.2.2).
    InvalidRequest,
    /// The client did not prove who it is. Status 401.
    InvalidClient,
    /// The assertion of RFC 7523 is not accepted.
    InvalidGrant,
    /// The client is known, and may not do this.
    UnauthorizedClient,
    /// The grant type is none that is served here.
    UnsupportedGrantType,
    /// The scope is more than may be had.
    InvalidScope,
    /// Nothing is issued for this audience or resource (RFC 8693, 2.2.2).
    InvalidTarget,
    /// Of revocation: tokens of this type cannot be revoked (RFC 7009, 2.2.1).
    UnsupportedTokenType,
    /// Not now: what is needed cannot be reached. Status 503.
    TemporarilyUnavailable,
    /// A mistake of this side. Status 500.
    ServerError,
}

impl OAuthCode {
    /// As it stands in the answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }

    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::TemporarilyUnavailable => 503,
            Self::ServerError => 500,
            _ => 400,
        }
    }
}

/// What a caller is told when the answer is no. It says what is wrong with the form of a request, and of a token only that it is not accepted: the
/// reason stands in the audit row of the same request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The code.
    pub code: OAuthCode,
    /// One sentence without anything of the request in it. ASCII without `"` and `\` (RFC 6749, 5.2).
    pub description: Cow<'static, str>,
    /// The scheme of the `Authorization` header that failed, which the answer has to name (RFC 6749, 5.2).
    pub challenge: Option<&'static str>,
}

impl OAuthError {
    /// An error with this code and sentence.
    pub fn new(code: OAuthCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: description.into(), challenge: None }
    }

    /// A mistake in the form of the request.
    pub(crate) fn request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(OAuthCode::InvalidRequest, description)
    }

    /// The body of the answer. `request_id` is what the operator looks for in the audit.
    pub fn to_json(&self, request_id: &str) -> String {
        let id: String = request_id.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        let description = match id.as_str() {
            "" => self.description.to_string(),
            id => format!("{} (request {id})", self.description),
        };
        json!({ "error": self.code.as_str(), "error_description": description }).to_string()
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.description)
    }
}

impl std::error::Error for OAuthError {}
