//! Why a key or a token is not good.

use carnet_core::{Error, ErrorKind};

/// The check of a token that failed, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JwtClause {
    /// Three base64url parts, JSON objects, no duplicate members, within the size limits (RFC 7519, 7.2).
    Form,
    /// `alg`, `typ`, and the members that are refused: `crit`, `jku`, `x5u`, `jwk`.
    Header,
    /// `iss`.
    Issuer,
    /// No key of the issuer fits `kid` and `alg`.
    Key,
    /// The signature does not verify.
    Signature,
    /// `aud`.
    Audience,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` lies in the future.
    NotYet,
    /// `exp - iat` or the age since `iat` is longer than allowed.
    Lifetime,
    /// A claim that must be there is not, or is of another type.
    Claim,
}

/// A token that is refused: the clause, what was seen, what was wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JwtError {
    /// The check that failed.
    pub clause: JwtClause,
    /// What is wrong, with the values that are safe to show (claims, never the token or its signature).
    pub message: String,
    /// The value seen, if there is one that is safe to show.
    pub seen: Option<String>,
    /// The value wanted.
    pub wanted: Option<String>,
}

impl JwtError {
    /// An error at this check.
    pub fn new(clause: JwtClause, message: impl Into<String>) -> Self {
        Self { clause, message: message.into(), seen: None, wanted: None }
    }

    /// Sets the value seen.
    #[must_use]
    pub fn seen(mut self, seen: impl Into<String>) -> Self {
        self.seen = Some(seen.into());
        self
    }

    /// Sets the value wanted.
    #[must_use]
    pub fn wanted(mut self, wanted: impl Into<String>) -> Self {
        self.wanted = Some(wanted.into());
        self
    }
}

impl JwtClause {
    /// Its name in output, for instance `audience`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Header => "header",
            Self::Issuer => "issuer",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::Lifetime => "lifetime",
            Self::Claim => "claim",
        }
    }
}

impl From<JwtError> for Error {
    fn from(error: JwtError) -> Self {
        let kind = match error.clause {
            JwtClause::Expired | JwtClause::NotYet => ErrorKind::Expired,
            _ => ErrorKind::Refused,
        };
        Self::new(kind, "verify the token").clause(error.clause.name()).because(error)
    }
}

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::configuration("use the key").because(error)
    }
}
