//! `x509pop`: a certificate that the node already has, and proof that it has the key.

pub mod evidence;
pub mod verify;

use serde::{Deserialize, Serialize};

use crate::{Proof, protocol::Base64};

/// Most certificates that are looked at.
pub(crate) const MAX_CHAIN: usize = 8;

/// The evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// Certificates in DER, leaf first, without the root.
    pub certificates: Vec<Base64>,
    /// Made with the leaf's key.
    pub proof: Proof,
}
