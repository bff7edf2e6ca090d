//! Microsoft Azure: its identities, its credentials, its trust model.
//!
//! Client side (feature `client`): the source `azure-identity`, the exchange `entra`, and the deliveries that Microsoft's own
//! libraries and tools read. The trust model in [`trust`] is pure and is all that the emulator shares with the client.

pub mod trust;

#[cfg(feature = "client")]
mod cloud;
#[cfg(feature = "client")]
mod config;
#[cfg(feature = "client")]
mod deliver;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod exchange;
#[cfg(feature = "client")]
mod identity;
#[cfg(test)]
#[cfg(feature = "client")]
mod testing;
#[cfg(feature = "client")]
mod wire;

#[cfg(feature = "client")]
pub use cloud::Cloud;
#[cfg(feature = "client")]
pub use config::Entra;
#[cfg(feature = "client")]
pub use deliver::{AzureCli, AzureEnv, AzureTokenFile};
#[cfg(feature = "client")]
pub use error::{EntraError, parse_error};
#[cfg(feature = "client")]
pub use identity::{AzureIdentity, IdentityPlace, IdentityToken};
#[cfg(feature = "client")]
pub use wire::{TokenAnswer, parse_managed_answer, parse_token_answer};

/// Names the sources, exchanges and deliveries of this crate.
#[cfg(feature = "client")]
pub fn register(register: &mut impl carnet_core::Register) {
    register.source::<AzureIdentity>();
    register.exchange::<Entra>();
    register.delivery::<AzureTokenFile>();
    register.delivery::<AzureEnv>();
    register.delivery::<AzureCli>();
}
