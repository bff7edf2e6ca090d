//! `join-token`: a token that an operator made, good for one node and a short time.
//!
//! The authority keeps its SHA-256 only. The token is long and random, so that no slower hash is needed.

pub mod evidence;
pub mod verify;

use carnet_core::{Context, Secret};
use carnet_jose::sha256;

pub use crate::shown::Payload;

/// Bytes of randomness in a token.
const ENTROPY: usize = 32;
/// What tokens begin with, so that secret scanners and people know one.
pub const PREFIX: &str = "carnet-join-";

/// A new token.
pub fn generate(context: &Context) -> Secret {
    Secret::new(format!("{PREFIX}{}", context.random_hex::<ENTROPY>()))
}

/// What is kept of a token.
pub fn hash(token: &Secret) -> [u8; 32] {
    sha256(token.expose().as_bytes())
}
