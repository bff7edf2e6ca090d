//! Oracle Cloud Infrastructure: its identities, its credentials, its trust model

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod deliver;
#[cfg(feature = "client")]
pub mod domain_url;
#[cfg(feature = "client")]
pub mod duration;
#[cfg(feature = "client")]
mod endpoint;
#[cfg(feature = "client")]
pub mod error;
#[cfg(feature = "client")]
pub mod exchange;
#[cfg(feature = "client")]
pub mod login;
#[cfg(feature = "client")]
pub mod regions;
#[cfg(feature = "client")]
pub mod session_key;
#[cfg(feature = "client")]
pub mod signer;
#[cfg(feature = "client")]
pub mod source;
#[cfg(feature = "client")]
#[cfg(test)]
mod testing;
#[cfg(feature = "client")]
mod token;
pub mod trust;
#[cfg(feature = "client")]
pub mod wire;

/// Adds what this provider offers, in the order in which it is looked for and listed.
#[cfg(feature = "client")]
pub fn register(register: &mut impl carnet_core::Register) {
    register.source::<source::resource::ResourceConfig>();
    register.source::<source::oke::OkeConfig>();
    register.source::<source::instance::InstanceConfig>();
    register.source::<source::profile::ProfileConfig>();
    register.exchange::<exchange::upst::UpstConfig>();
    register.exchange::<exchange::rpst::RpstConfig>();
    register.exchange::<exchange::domain::DomainConfig>();
    register.delivery::<deliver::profile::ProfileDeliveryConfig>();
    register.delivery::<deliver::resource_principal::ResourcePrincipalDeliveryConfig>();
    register.delivery::<deliver::token::TokenDeliveryConfig>();
    register.delivery::<deliver::signature::SignatureConfig>();
}
