//! Node attestation: the evidence and its verification, and the words between agent and authority.

mod kind;
pub mod protocol;
mod registration;
mod template;

pub use kind::{Kind, UnknownKind};
pub use registration::Registration;
pub use template::{FillError, IdTemplate, TemplateError};
