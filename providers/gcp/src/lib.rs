//! Google Cloud: its identities, its credentials, its trust model.
//!
//! Client side (feature `client`): the source `gcp-metadata`, the exchange `gcp` (token service and impersonation), and
//! the deliveries that Google's own libraries read. The trust model in [`trust`] is pure and is all that the emulator
//! shares with the client.

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
mod external_account;
#[cfg(feature = "client")]
mod metadata;
#[cfg(feature = "client")]
mod resource;
#[cfg(feature = "client")]
mod subject;
#[cfg(test)]
#[cfg(feature = "client")]
mod testing;
#[cfg(feature = "client")]
mod wire;

#[cfg(feature = "client")]
pub use config::Gcp;
#[cfg(feature = "client")]
pub use deliver::{
    ExecutableForm, FileForm, GcpCredentialFile, GcpEnv, GcpExecutable, TokenFormat, UrlForm, executable_failure,
};
#[cfg(feature = "client")]
pub use error::{GoogleError, parse_error, parse_error_without};
#[cfg(feature = "client")]
pub use external_account::{CredentialSource, ExternalAccount, parse_external_account};
#[cfg(feature = "client")]
pub use metadata::{GcpMetadata, MetadataToken, parse_identity};
#[cfg(feature = "client")]
pub use resource::ProviderResource;
#[cfg(feature = "client")]
pub use wire::{SubjectTokenType, TokenAnswer, parse_access_token_answer, parse_id_token_answer, parse_token_answer};

/// Names the sources, exchanges and deliveries of this crate.
#[cfg(feature = "client")]
pub fn register(register: &mut impl carnet_core::Register) {
    register.source::<GcpMetadata>();
    register.exchange::<Gcp>();
    register.delivery::<GcpCredentialFile>();
    register.delivery::<GcpExecutable>();
    register.delivery::<GcpEnv>();
}
