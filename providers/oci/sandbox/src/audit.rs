//! What happened, for whoever operates the sandbox: the last requests of the signed services.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::Serialize;

/// Most events that are kept; the oldest goes first.
const KEPT: usize = 1000;

/// One request and its answer. The names follow Oracle's audit events.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// When, by the clock of the service.
    pub event_time: Timestamp,
    /// Service, for instance `oci-objectstorage`.
    pub source: &'static str,
    /// Method.
    pub action: String,
    /// Path without the query.
    pub path: String,
    /// OCID of the principal, when it could be authenticated.
    pub principal_id: Option<String>,
    /// `request.principal.type`.
    pub principal_type: Option<String>,
    /// HTTP status of the answer.
    pub status: u16,
    /// The clause that failed.
    pub clause: Option<&'static str>,
    /// What was seen, what was wanted, and what to do.
    pub reason: Option<String>,
}

/// The events.
#[derive(Debug, Default)]
pub(crate) struct Audit(Mutex<VecDeque<AuditEvent>>);

impl Audit {
    pub(crate) fn record(&self, event: AuditEvent) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() >= KEPT {
            events.pop_front();
        }
        events.push_back(event);
    }

    pub(crate) fn list(&self) -> Vec<AuditEvent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
