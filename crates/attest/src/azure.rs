//! `azure`: the attested document of an Azure virtual machine.
//!
//! Microsoft, "Azure Instance Metadata Service", attested data: `/metadata/attested/document?nonce=…` answers
//! `{"encoding": "pkcs7", "signature": …}`; the content is JSON with the nonce, the times and the machine's identifiers. The
//! document names no tenant, so the configuration says which tenant a subscription is of.

pub mod evidence;
pub mod verify;

use carnet_core::hex;
use serde::{Deserialize, Serialize};

/// The evidence: the metadata service's answer as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// `pkcs7`.
    pub encoding: String,
    /// The signed document, base64.
    pub signature: String,
}

/// The metadata service takes letters and digits only: 32 of them, the first half of ours.
fn nonce_text(nonce: &[u8]) -> String {
    hex(nonce.get(..16).unwrap_or_default())
}
