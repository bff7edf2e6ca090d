//! Certificates: an authority that issues leaves, what stands in a certificate, and whether a chain leads to a root.

mod authority;
mod certificate;
mod chain;

pub use authority::{Authority, Issued, LeafProfile};
pub use certificate::{Certificate, X509Error, pem_to_der};
pub use chain::verify_chain;
