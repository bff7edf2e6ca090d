//! What can be made to go wrong.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The connection is cut in mid-answer.
    Cut,
    /// Tokens are issued already expired.
    Expired,
    /// The service accepts and never answers.
    Hang,
    /// Ten megabytes are answered.
    Huge,
    /// The signing key is replaced, old tokens no longer verify, documents show the new key.
    KeyRotated,
    /// The service's clock is ten minutes ahead.
    Skew,
    /// The answer comes after three seconds.
    Slow,
    /// HTTP 429 with the service's own body.
    TooManyRequests,
    /// HTTP 503 with the service's own body.
    Unavailable,
}

/// A fault that is switched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// The name of the service, or `*` for all.
    pub service: String,
    /// Only requests whose path starts with this.
    #[serde(default)]
    pub path: String,
    /// How many more requests it hits; without it, until it is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// The faults that are switched on.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// How long [`FaultKind::Slow`] waits.
    pub const SLOW: Duration = Duration::from_secs(3);

    /// Switches one on.
    pub fn add(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Switches all off.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Those that are on.
    pub fn list(&self) -> Vec<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this kind hits this request, and counts it.
    pub fn hits(&self, kind: FaultKind, service: &str, path: &str) -> bool {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hit = faults.iter_mut().find(|fault| {
            fault.kind == kind
                && (fault.service == "*" || fault.service == service)
                && path.starts_with(&fault.path)
                && fault.times != Some(0)
        });
        let Some(fault) = hit else { return false };
        if let Some(times) = &mut fault.times {
            *times = times.saturating_sub(1);
        }
        true
    }
}
