//! Any relying party that speaks RFC 8693 or RFC 7523, and carnet's own authority.
//!
//! ```text
//! credential ─► request (grant, client authentication) ─► token endpoint (named, or found through the issuer's metadata)
//!            ─► answer: types, life and form are checked against what was asked ─► credential
//! ```
//!
//! Three exchanges: [`OAuth`] for any token endpoint, [`RelyingParty`] for those whose rules are in the catalogue,
//! [`Carnet`] for our authority, which also signs certificates. What the authority's extensions of the standards are is read from the documentation of its crate; the code is not shared, so
//! that one wrong reading cannot pass its own test.

mod answer;
mod call;
mod carnet;
mod catalogue;
mod client_auth;
mod config;
mod endpoint;
mod error;
mod exchange;
mod metadata;
mod relying_party;
#[cfg(test)]
mod testing;
mod token_type;
pub mod trust;

pub use answer::{TokenAnswer, parse_token_answer};
pub use carnet::{Carnet, Issue, parse_chain};
pub use catalogue::parties;
pub use client_auth::ClientAuthMethod;
pub use config::{Grant, OAuth, TokenKind};
pub use error::{OAuthError, parse_error};
pub use metadata::{MetadataForm, parse_metadata};
pub use relying_party::RelyingParty;

/// Names the exchanges of this crate.
pub fn register(register: &mut impl carnet_core::Register) {
    register.exchange::<OAuth>();
    register.exchange::<Carnet>();
    register.exchange::<RelyingParty>();
}
