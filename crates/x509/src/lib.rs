//! Certificates: an authority that issues leaves, what stands in a certificate, and whether a chain leads to a root.
//!
//! Reading is lenient and believing is strict: [`Certificate`] shows what a certificate says, [`verify_chain`] decides
//! whether that may be believed. What is issued passes OpenSSL's strict mode, which Python 3.13 turns on by default.

mod authority;
mod certificate;
mod chain;
mod key;
mod name;
mod pem;
mod profile;
mod request;

pub use authority::{Authority, Issued};
pub use certificate::{Certificate, X509Error};
pub use chain::{ChainUsage, verify_chain, verify_chain_for};
pub use pem::{der_to_pem, pem_to_der};
pub use profile::LeafProfile;
pub use request::CertificateRequest;
