//! Who asks, for the audit.

use carnet_store::{AuditRecord, Outcome};
use jiff::Timestamp;
use serde_json::json;

/// Who asks. What it may do has been decided by the caller of this crate, or is decided before it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct By {
    /// The identity, or the name of a part of carnet that acts by itself.
    pub actor: String,
    /// Where from.
    pub peer: Option<String>,
    /// Ties the audit row to log and answer.
    pub request_id: String,
}

impl By {
    /// A part of carnet that acts by itself, for instance `entries-file`.
    pub fn itself(part: &str) -> Self {
        Self { actor: part.to_owned(), ..Self::default() }
    }

    /// The record of something that was done to `subject`.
    pub(crate) fn record(&self, now: Timestamp, action: &str, subject: &str) -> AuditRecord {
        AuditRecord {
            actor: self.actor.clone(),
            subject: subject.to_owned(),
            principal: subject.to_owned(),
            peer: self.peer.clone(),
            request_id: self.request_id.clone(),
            ..AuditRecord::new(now, action, Outcome::Allowed)
        }
    }
}

/// The same record for when it could not be done.
pub(crate) fn refusal(record: &AuditRecord, clause: &str, why: &str) -> AuditRecord {
    let mut refused = AuditRecord { outcome: Outcome::Refused, clause: Some(clause.to_owned()), ..record.clone() };
    if !why.is_empty() {
        refused.details.insert("message".to_owned(), json!(carnet_core::safe_text(why)));
    }
    refused
}
