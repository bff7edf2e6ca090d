//! `oci`: the identity certificate that the metadata service of an OCI instance gives, and proof that it has the key.
//!
//! Oracle, "Calling Services from an Instance" and "Getting Instance Metadata": `identity/cert.pem`, `identity/key.pem` and
//! `identity/intermediate.pem`; the subject names instance, compartment and tenancy in organisational units.

pub mod evidence;
pub mod verify;

use serde::{Deserialize, Serialize};

use crate::{Proof, protocol::Base64};

/// The evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The region by its identifier, for instance `eu-frankfurt-1`: it picks the roots that the certificate must lead to.
    pub region: String,
    /// Certificates in DER, the instance's first.
    pub certificates: Vec<Base64>,
    /// Made with the instance's key.
    pub proof: Proof,
}
