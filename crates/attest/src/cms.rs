//! Signed documents in CMS (RFC 5652), as the metadata services of AWS and Azure give them.
//!
//! One signer, RSA PKCS#1 v1.5 with SHA-256, content inside. Which certificate is believed is the
//! caller's business.

mod ber;
mod object;

pub use object::{CmsError, SignedData};
