//! Certificates: an authority that issues leaves, what stands in a certificate, and whether a chain leads to a root.
//!
//! Reading is lenient and believing is strict: [`Certificate`] shows what a certificate says, [`verify_chain`] decides
//! whether that may be believed. What is issued passes OpenSSL's strict mode, which Python 3.13 turns on by default.
//!
//! ```
//! use carnet_jose::Algorithm;
//! use carnet_x509::{Authority, Certificate, LeafProfile, verify_chain};
//! # let now = jiff::Timestamp::from_second(1_795_262_400)?;
//! # let later = jiff::Timestamp::from_second(1_795_266_000)?;
//! let root = Authority::root("Root", Algorithm::Es256, now, later)?;
//! let issued = root.issue(&LeafProfile {
//!     subject: vec![("CN", "instance".to_owned()), ("OU", "opc-certtype:instance".to_owned())],
//!     dns: Vec::new(),
//!     ip: Vec::new(),
//!     uri: Vec::new(),
//!     server: false,
//!     client: true,
//!     not_before: now,
//!     not_after: later,
//!     key: Algorithm::Es256,
//! })?;
//! verify_chain(&issued.certificate, &[], &[root.certificate().to_vec()], now)?;
//! assert_eq!(Certificate::from_der(&issued.certificate)?.subject_values(), ["instance", "opc-certtype:instance"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acme;
mod authority;
mod certificate;
mod chain;
mod key;
mod name;
mod pem;
mod profile;
mod request;
mod usage;

pub use acme::acme_certificate;
pub use authority::{Authority, Issued};
pub use certificate::{Certificate, X509Error, split_der};
pub use chain::{ChainError, ChainFault, ChainUsage, verify_chain, verify_chain_for, verify_path};
pub use pem::{der_to_pem, pem_to_der};
pub use profile::{AuthorityProfile, LeafProfile};
pub use request::{CertificateRequest, RequestProfile};
pub use usage::{ExtendedKeyUsage, KeyUsage};
