//! JSON Web Keys, Signatures and Tokens, over aws-lc-rs.
//!
//! Compact JWS only. A key is parsed once and then used many times. The algorithm belongs to the key, never to the
//! header (RFC 8725, 3.1); `kid` picks among the keys of an issuer that is already known; `jku`, `x5u`, `jwk` and
//! `crit` are refused. What has not been verified is called [`UnverifiedJwt`] and gives away only what is needed to
//! find the key.
//!
//! ```
//! use carnet_jose::{Algorithm, KeySet, Rules, SigningKey, UnverifiedJwt, encode_jwt, verify_jwt};
//! # use jiff::{SignedDuration, Timestamp};
//! # use serde_json::{Map, json};
//! # let now = Timestamp::from_second(1_795_262_400)?;
//! let key = SigningKey::generate(Algorithm::Es256)?.with_kid("2026-11");
//! let claims = Map::from_iter([
//!     ("iss".to_owned(), json!("https://issuer.example")),
//!     ("aud".to_owned(), json!("https://audience.example")),
//!     ("exp".to_owned(), json!(now.as_second() + 300)),
//! ]);
//! let token = encode_jwt(&key, &Map::new(), &claims)?;
//!
//! let keys = KeySet::of(key.public_key()?);
//! let rules = Rules {
//!     issuer: Some("https://issuer.example"),
//!     audiences: Some(&["https://audience.example"]),
//!     algorithms: &[Algorithm::Es256],
//!     leeway: SignedDuration::from_secs(30),
//!     require_expiry: true,
//!     max_lifetime: None,
//!     types: &["JWT"],
//! };
//! let verified = verify_jwt(&UnverifiedJwt::parse(token.expose())?, &keys, &rules, now)?;
//! assert_eq!(verified.claims().str("iss"), Some("https://issuer.example"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod algorithm;
mod cache;
mod claims;
mod digest;
mod error;
mod fetch;
mod hmac;
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
pub use fetch::{discover, discover_at, fetch_key_set};
pub use hmac::hmac_sha256;
pub use jwk::{Jwk, JwkSet};
pub use jwt::UnverifiedJwt;
pub use key_set::KeySet;
pub use pem::{private_key_from_pem, private_key_to_pem};
pub use public_key::PublicKey;
pub use sign::{ExternalSigner, SigningKey, encode_jwt};
pub use strict::parse_object;
pub use subject::SubjectToken;
pub use verify::{Rules, VerifiedJwt, verify_jwt};
