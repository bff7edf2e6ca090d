//! The record of every outcome, one chain of digests.

mod record;

pub use record::{AuditFilter, AuditHead, AuditRecord, AuditRow, Outcome};
