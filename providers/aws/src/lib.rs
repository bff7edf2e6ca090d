//! AWS: its identities, its credentials, its trust model.
//!
//! Client side (feature `client`): the source `aws-identity`, the exchanges `aws` (web identity and roles),
//! `aws-roles-anywhere` and `aws-web-identity-token` (AWS as an issuer), and the deliveries that AWS's own SDKs read. The trust
//! model in [`trust`] is pure and is all that the emulator shares with the client.

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
#[cfg(feature = "client")]
mod login;
#[cfg(feature = "client")]
mod source;
#[cfg(test)]
#[cfg(feature = "client")]
mod testing;
#[cfg(feature = "client")]
mod wire;
#[cfg(feature = "client")]
mod xml;

#[cfg(feature = "client")]
pub use config::{Hop, Tag};
#[cfg(feature = "client")]
pub use deliver::{AwsProcess, AwsProfile, AwsWebIdentityFile};
#[cfg(feature = "client")]
pub use error::{AwsError, parse_error};
#[cfg(feature = "client")]
pub use exchange::{Aws, AwsRolesAnywhere, AwsWebIdentityToken, TokenAlgorithm};
#[cfg(feature = "client")]
pub use login::sign_login;
#[cfg(feature = "client")]
pub use source::{AwsIdentity, Place};
#[cfg(feature = "client")]
pub use wire::{SessionKeys, parse_json_keys, parse_roles_anywhere, parse_session, parse_web_identity_token};

/// Names the sources, exchanges and deliveries of this crate.
#[cfg(feature = "client")]
pub fn register(register: &mut impl carnet_core::Register) {
    register.source::<AwsIdentity>();
    register.exchange::<Aws>();
    register.exchange::<AwsRolesAnywhere>();
    register.exchange::<AwsWebIdentityToken>();
    register.delivery::<AwsProcess>();
    register.delivery::<AwsProfile>();
    register.delivery::<AwsWebIdentityFile>();
}
