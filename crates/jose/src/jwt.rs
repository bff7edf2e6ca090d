//! A token before it has been verified.

use jiff::Timestamp;

use crate::{Claims, JwtError};

/// A token whose signature nobody has checked. For finding the issuer and the key, for `inspect`, and for clients
/// that only need the end of a token that was made for somebody else.
#[derive(Clone)]
pub struct UnverifiedJwt {
    // filled in by the implementation
}

impl UnverifiedJwt {
    /// Largest token that is looked at, in bytes.
    pub const MAX_LENGTH: usize = 64 * 1024;

    /// Splits and parses header and claims: strict base64url without padding, JSON objects without duplicate
    /// members, at most [`Self::MAX_LENGTH`] bytes.
    pub fn parse(token: &str) -> Result<Self, JwtError> {
        let _ = token;
        todo!()
    }

    /// `alg` of the header, unverified.
    pub fn unverified_alg(&self) -> &str {
        todo!()
    }

    /// `kid` of the header, unverified.
    pub fn unverified_kid(&self) -> Option<&str> {
        todo!()
    }

    /// A member of the header, unverified.
    pub fn unverified_header(&self) -> &serde_json::Map<String, serde_json::Value> {
        todo!()
    }

    /// `iss`, unverified: for picking the trust whose keys are then tried.
    pub fn unverified_issuer(&self) -> Option<&str> {
        todo!()
    }

    /// All claims, unverified: for display and for reading one's own token.
    pub fn unverified_claims(&self) -> &Claims {
        todo!()
    }

    /// `exp`, unverified.
    pub fn unverified_expiry(&self) -> Option<Timestamp> {
        todo!()
    }
}

impl std::fmt::Debug for UnverifiedJwt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnverifiedJwt")
    }
}
