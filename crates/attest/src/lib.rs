//! Node attestation: the evidence and its verification, and the words between agent and authority.
//!
//! Each method is a module with two halves that share nothing but the form of the evidence: `evidence` gathers it on the
//! node, `verify` believes it at the authority, or does not. [`Evidence`] and [`Attestors`] are all of them. Whom to believe
//! comes from configuration only: no certificate, key or account is built in.

mod attested;
mod attestors;
pub mod aws;
pub mod azure;
pub mod azure_msi;
pub mod cms;
mod evidence;
pub mod gcp;
pub mod join_token;
pub mod k8s;
mod kind;
mod load;
mod metadata;
pub mod oci;
mod proof;
pub mod protocol;
mod registration;
mod shown;
mod template;
pub mod x509pop;

pub use attested::{Attested, Once};
pub use attestors::{AttestConfig, Attestors};
pub use evidence::Evidence;
pub use kind::{Kind, UnknownKind};
pub use proof::Proof;
pub use registration::Registration;
pub use template::{FillError, IdTemplate, TemplateError};
