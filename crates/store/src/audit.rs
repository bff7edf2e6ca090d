//! The record of every outcome, one chain of digests.

mod canonical;
mod chain;
mod export;
mod record;
mod verify;

pub(crate) use canonical::Rendered;
pub(crate) use chain::{COLUMNS, link, read};
pub use export::export_audit;
pub use record::{AuditFilter, AuditHead, AuditRecord, AuditRow, Outcome};
pub use verify::{AuditBreak, AuditVerdict, verify_audit};
