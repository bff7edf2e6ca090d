//! Tokens that a node shows: how they travel, and what is checked of all of them alike.

use carnet_core::{Error, Secret};
use carnet_jose::{Algorithm, JwtError, KeySet, Rules, UnverifiedJwt, VerifiedJwt, verify_jwt};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, Serializer};

use crate::{Kind, attested::refused};

/// The evidence of methods that show a token and nothing else.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The token.
    #[serde(serialize_with = "exposed")]
    pub token: Secret,
}

/// Writes a token as it is, for who is to believe it.
pub(crate) fn exposed<S: Serializer>(token: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}

/// What a signed token of a method must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) kind: Kind,
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) algorithms: &'a [Algorithm],
    /// Tolerance for clocks that disagree.
    pub(crate) leeway: SignedDuration,
    pub(crate) max_lifetime: Option<SignedDuration>,
}

/// Reads a token. Nothing of it is believed yet.
///
/// # Errors
/// When it is no signed JWT.
pub(crate) fn parse(kind: Kind, token: &Secret) -> Result<UnverifiedJwt, Error> {
    UnverifiedJwt::parse(token.expose()).map_err(|error| not_believed(kind, error))
}

impl Wanted<'_> {
    /// Whether one of these keys has signed the token, and it is what is wanted.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub(crate) fn verify(&self, token: &UnverifiedJwt, keys: &KeySet, now: Timestamp) -> Result<VerifiedJwt, Error> {
        let rules = Rules {
            issuer: Some(self.issuer),
            audiences: Some(&[self.audience]),
            algorithms: self.algorithms,
            leeway: self.leeway,
            require_expiry: true,
            max_lifetime: self.max_lifetime,
            types: &["JWT"],
        };
        verify_jwt(token, keys, &rules, now).map_err(|error| not_believed(self.kind, error))
    }
}

fn not_believed(kind: Kind, error: JwtError) -> Error {
    refused(kind, error.clause.name(), "the token is not believed").because(error)
}
