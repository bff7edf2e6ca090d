//! A token before it has been verified.

use std::sync::Arc;

use carnet_core::SecretBytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{Claims, JwtClause, JwtError, strict};

/// A token whose signature nobody has checked. For finding the issuer and the key, for `inspect`, and for clients
/// that only need the end of a token that was made for somebody else.
#[derive(Clone)]
pub struct UnverifiedJwt {
    /// Header and claims as they were signed. Without the signature this is no credential, so it is not wiped.
    signing_input: Arc<str>,
    signature: SecretBytes,
    header: Map<String, Value>,
    claims: Arc<Claims>,
}

impl UnverifiedJwt {
    /// Largest token that is looked at, in bytes.
    pub const MAX_LENGTH: usize = 64 * 1024;

    /// Largest header, in bytes of base64url. Headers with a certificate chain take 4 to 6 KiB; nothing that is looked
    /// at in one takes more than 200 bytes.
    const MAX_HEADER: usize = 16 * 1024;

    /// Splits and parses header and claims: strict base64url without padding, JSON objects without duplicate
    /// members, at most [`Self::MAX_LENGTH`] bytes. The signature may be empty here, so that a token without one can be
    /// shown; it never verifies.
    pub fn parse(token: &str) -> Result<Self, JwtError> {
        if token.len() > Self::MAX_LENGTH {
            return Err(form(format!("the token has {} bytes, more than {}", token.len(), Self::MAX_LENGTH)));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(form(match token.split('.').count() {
                5 => "the token has 5 parts: it is encrypted (JWE), which is not supported".to_owned(),
                1 => "the token has 1 part, not 3".to_owned(),
                parts => format!("the token has {parts} parts, not 3"),
            }));
        };
        let signed = token.strip_suffix(signature).and_then(|signed| signed.strip_suffix('.')).unwrap_or_default();
        if header.len() > Self::MAX_HEADER {
            return Err(form(format!("the header has {} bytes, more than {}", header.len(), Self::MAX_HEADER)));
        }
        let header = object("header", header)?;
        let claims = object("claims", claims)?;
        let signature = strict::decode_base64url(signature)
            .ok_or_else(|| form("the signature is not base64url without padding".to_owned()))?;
        match header.get("alg") {
            Some(Value::String(_)) => {}
            Some(_) => return Err(in_header("the header member \"alg\" is not a string")),
            None => return Err(in_header("the header has no member \"alg\"")),
        }
        if header.get("kid").is_some_and(|kid| !kid.is_string()) {
            return Err(in_header("the header member \"kid\" is not a string"));
        }
        Ok(Self {
            signing_input: Arc::from(signed),
            signature: SecretBytes::new(signature),
            header,
            claims: Arc::new(Claims(claims)),
        })
    }

    /// `alg` of the header, unverified.
    pub fn unverified_alg(&self) -> &str {
        // Parsing has made sure that there is one.
        self.header.get("alg").and_then(Value::as_str).unwrap_or_default()
    }

    /// `kid` of the header, unverified.
    pub fn unverified_kid(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// A member of the header, unverified.
    pub fn unverified_header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// `iss`, unverified: for picking the trust whose keys are then tried.
    pub fn unverified_issuer(&self) -> Option<&str> {
        self.claims.str("iss")
    }

    /// All claims, unverified: for display and for reading one's own token.
    pub fn unverified_claims(&self) -> &Claims {
        &self.claims
    }

    /// `exp`, unverified.
    pub fn unverified_expiry(&self) -> Option<Timestamp> {
        self.claims.time("exp")
    }

    /// What the signature covers: header, dot, claims.
    pub(crate) fn signing_input(&self) -> &[u8] {
        self.signing_input.as_bytes()
    }

    pub(crate) fn signature(&self) -> &[u8] {
        self.signature.expose()
    }

    pub(crate) fn shared_claims(&self) -> Arc<Claims> {
        Arc::clone(&self.claims)
    }
}

impl std::fmt::Debug for UnverifiedJwt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnverifiedJwt")
    }
}

fn object(what: &str, part: &str) -> Result<Map<String, Value>, JwtError> {
    let json = strict::decode_base64url(part)
        .ok_or_else(|| form(format!("the {what} part is not base64url without padding")))?;
    strict::parse_object(&json).map_err(|place| form(format!("the {what} part is not one JSON object: {place}")))
}

fn form(message: String) -> JwtError {
    JwtError { clause: JwtClause::Form, message, seen: None, wanted: None }
}

fn in_header(message: &str) -> JwtError {
    JwtError { clause: JwtClause::Header, message: message.to_owned(), seen: None, wanted: None }
}

#[cfg(test)]
mod tests;
