//! Verifying: the only way to get a [`VerifiedJwt`].

use jiff::{SignedDuration, Timestamp};

use crate::{Algorithm, Claims, Jwk, JwtError, KeyError, KeySet, UnverifiedJwt};

/// A public key, parsed once, that verifies with the algorithms it was made for.
#[derive(Clone, Debug)]
pub struct PublicKey {
    // filled in by the implementation
}

impl PublicKey {
    /// Parses a JWK. RSA keys below 2048 bits are refused.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let _ = jwk;
        todo!()
    }

    /// Parses DER SubjectPublicKeyInfo (RSA, P-256, P-384, P-521, Ed25519).
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let _ = der;
        todo!()
    }

    /// Its `kid`, if it came from a JWK that has one.
    pub fn kid(&self) -> Option<&str> {
        todo!()
    }

    /// Whether it may verify this algorithm: by its type, and by its `alg` member when it has one.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        let _ = algorithm;
        todo!()
    }

    /// The public key as a JWK.
    pub fn to_jwk(&self) -> Jwk {
        todo!()
    }

    /// DER SubjectPublicKeyInfo.
    pub fn to_spki(&self) -> Vec<u8> {
        todo!()
    }

    /// Verifies a raw signature (JWS form for ECDSA).
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let _ = (algorithm, message, signature);
        todo!()
    }
}

/// What a token must be. There is no default that checks less than `design.md`, section 8, asks for.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// `iss`, compared byte for byte. `None` only where the caller has already picked the keys by issuer.
    pub issuer: Option<&'a str>,
    /// `aud` must contain one of these. `None` only where the other side's own rules do not look at it.
    pub audiences: Option<&'a [&'a str]>,
    /// Algorithms that are accepted; the key's own algorithm must be among them.
    pub algorithms: &'a [Algorithm],
    /// Tolerance for clocks that disagree, applied to `exp`, `nbf` and `iat`.
    pub leeway: SignedDuration,
    /// Whether `exp` must be there.
    pub require_expiry: bool,
    /// Longest `exp - iat`, if bounded; a token without `iat` is then refused.
    pub max_lifetime: Option<SignedDuration>,
    /// Accepted `typ` values without `application/`, compared without case; an absent `typ` passes. Empty: any but those
    /// of other token classes is the caller's business.
    pub types: &'a [&'a str],
}

/// A token whose signature, issuer, audience and times were checked.
#[derive(Clone, Debug)]
pub struct VerifiedJwt {
    // filled in by the implementation; only this module can construct it
}

impl VerifiedJwt {
    /// Its claims.
    pub fn claims(&self) -> &Claims {
        todo!()
    }

    /// The algorithm that verified it.
    pub fn algorithm(&self) -> Algorithm {
        todo!()
    }

    /// The `kid` of the key that verified it.
    pub fn kid(&self) -> Option<&str> {
        todo!()
    }
}

/// Verifies a token with the keys of its issuer, in the order of [`crate::JwtClause`].
pub fn verify_jwt(
    token: &UnverifiedJwt,
    keys: &KeySet,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<VerifiedJwt, JwtError> {
    let _ = (token, keys, rules, now);
    todo!()
}
