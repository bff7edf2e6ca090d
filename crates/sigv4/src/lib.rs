//! AWS Signature Version 4, and its variant with a certificate for IAM Roles Anywhere.
//!
//! Pure: a request goes in, the same request with its headers comes out. Nothing is sent and no clock is read. Whoever
//! verifies (the emulators) does it with code of its own, so that one wrong reading cannot pass its own test.
//!
//! Sources: "Create a signed AWS API request" (IAM user guide), "Signing process" (IAM Roles Anywhere user guide).
//!
//! ```
//! use carnet_core::{AwsKeys, Request, Secret};
//! use carnet_sigv4::{Scope, sign};
//! # let now = jiff::Timestamp::from_second(1_440_938_160)?;
//! let keys = AwsKeys {
//!     access_key_id: "AKIDEXAMPLE".to_owned(),
//!     secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
//!     session_token: None,
//! };
//! let scope = Scope { time: now, region: "us-east-1", service: "service" };
//! let signed = sign(Request::get("https://example.amazonaws.com/".parse()?), &keys, &scope)?;
//! assert!(signed.headers["authorization"].to_str()?.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod canonical;
mod certificate;
mod scope;
mod secret;

pub use canonical::{CanonicalRequest, canonicalize};
pub use certificate::CertificateSigner;
pub use scope::Scope;
pub use secret::sign;
