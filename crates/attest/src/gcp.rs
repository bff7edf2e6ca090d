//! `gcp`: the identity token of a Google Compute Engine instance, in the format `full`.
//!
//! Google, "Verifying the identity of instances": `instance/service-accounts/default/identity?audience=…&format=full`; the
//! claims of the instance stand below `google.compute_engine`.
//!
//! The audience is the configured one with `/` and the attempt's nonce in hexadecimal behind it, so that a token that was
//! made for an earlier attempt, or for somebody else, is of no use. Any process of the instance can get one: only the first is
//! believed.

pub mod evidence;
pub mod verify;

use carnet_core::hex;

pub use crate::shown::Payload;

fn audience(configured: &str, nonce: &[u8]) -> String {
    format!("{configured}/{}", hex(nonce))
}
