//! HashiCorp Vault and OpenBao: logins, secrets, the trust model of JWT roles.
//!
//! Client side (feature `client`): the exchanges `vault` (log in) and `vault-unwrap`, and the deliveries that Vault's
//! clients read. The trust model in [`trust`] is pure and is all that the emulator shares with the client.

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
pub use config::{Method, Revoke, Vault, VaultUnwrap};
#[cfg(feature = "client")]
pub use deliver::{SecretItem, VaultEnv, VaultSecrets, VaultTokenFile, VaultTokenHelper};
#[cfg(feature = "client")]
pub use error::parse_errors;
#[cfg(feature = "client")]
pub use wire::{Auth, Issued, Wrapped, parse_issued, parse_secret};

/// Names the exchanges and deliveries of this crate.
#[cfg(feature = "client")]
pub fn register(register: &mut impl carnet_core::Register) {
    register.exchange::<Vault>();
    register.exchange::<VaultUnwrap>();
    register.delivery::<VaultTokenFile>();
    register.delivery::<VaultEnv>();
    register.delivery::<VaultTokenHelper>();
    register.delivery::<VaultSecrets>();
}
