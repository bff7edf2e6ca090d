//! Infisical: logins of machine identities, secrets, the trust model of its auth methods.
//!
//! Client side (feature `client`): the exchange `infisical` (log in and renew) and the delivery `infisical-secrets`. The
//! trust model in [`trust`] is pure and is all that the emulator shares with the client.

pub mod trust;

#[cfg(feature = "client")]
mod config;
#[cfg(feature = "client")]
mod deliver;
#[cfg(feature = "client")]
mod endpoint;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod exchange;
#[cfg(test)]
#[cfg(feature = "client")]
mod testing;
#[cfg(feature = "client")]
mod wire;

#[cfg(feature = "client")]
pub use config::{Infisical, Method};
#[cfg(feature = "client")]
pub use deliver::{InfisicalSecrets, SecretItem};
#[cfg(feature = "client")]
pub use error::parse_message;
#[cfg(feature = "client")]
pub use wire::{Imported, Issued, Listed, RawSecret, parse_issued, parse_list, parse_one};

/// Names the exchange and the delivery of this crate.
#[cfg(feature = "client")]
pub fn register(register: &mut impl carnet_core::Register) {
    register.exchange::<Infisical>();
    register.delivery::<InfisicalSecrets>();
}
