//! The record of every outcome, one chain of digests.

mod canonical;
mod chain;
mod record;

pub(crate) use canonical::Rendered;
pub(crate) use chain::{COLUMNS, link, read};
pub use record::{AuditFilter, AuditHead, AuditRecord, AuditRow, Outcome};
