//! `aws`: the instance identity document of an AWS instance with its RSA-2048 signature.
//!
//! AWS, "Verify the instance identity document": `/latest/dynamic/instance-identity/rsa2048` is the document, signed (PKCS #7,
//! in base64 without the lines around it), and each region has its own certificate. Any process of the instance can get it,
//! and it never changes: only the first who brings it is believed.

pub mod evidence;
pub mod verify;

use serde::{Deserialize, Serialize};

/// The evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The signed document, base64; line breaks are passed over.
    pub rsa2048: String,
}
