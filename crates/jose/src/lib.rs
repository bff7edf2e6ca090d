//! JSON Web Keys, Signatures and Tokens, over aws-lc-rs.
//!
//! Compact JWS only. A key is parsed once and then used many times. The algorithm belongs to the key, never to the
//! header (RFC 8725, 3.1); `kid` picks among the keys of an issuer that is already known; `jku`, `x5u`, `jwk` and
//! `crit` are refused. What has not been verified is called [`UnverifiedJwt`] and gives away only what is needed to
//! find the key.

mod algorithm;
mod cache;
mod claims;
mod digest;
mod error;
mod fetch;
mod jwk;
mod jwt;
mod key_set;
mod pem;
mod public_key;
mod sign;
mod strict;
mod subject;
#[cfg(test)]
mod testing;
mod verify;

pub use algorithm::Algorithm;
pub use cache::{CacheLimits, CachedKeySets, KeySource};
pub use claims::Claims;
pub use digest::sha256;
pub use error::{JwtClause, JwtError, KeyError};
pub use fetch::{discover, fetch_key_set};
pub use jwk::{Jwk, JwkSet};
pub use jwt::UnverifiedJwt;
pub use key_set::KeySet;
pub use pem::private_key_from_pem;
pub use public_key::PublicKey;
pub use sign::{SigningKey, encode_jwt};
pub use subject::SubjectToken;
pub use verify::{Rules, VerifiedJwt, verify_jwt};
