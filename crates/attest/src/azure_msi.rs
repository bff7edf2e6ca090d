//! `azure-msi`: the access token of a virtual machine's own managed identity.
//!
//! Microsoft, "How to use managed identities for Azure resources on an Azure VM to acquire an access token":
//! `/metadata/identity/oauth2/token?resource=…` answers `{"access_token": …}`. SPIRE's method `azure_msi` takes the same token and
//! names the agent in the same way, by tenant and principal (spiffe/spire, doc/plugin_server_nodeattestor_azure_msi.md). It then asks Azure
//! which machine the principal is of; here the token must say so itself, in `xms_mirid`, so that the authority needs no account at Azure.
//!
//! Prefer `azure` where it will do: its document answers a nonce. This token does not, and any process of the machine can get one: only
//! the first is believed.

pub mod evidence;
pub mod verify;

pub use crate::shown::Payload;
