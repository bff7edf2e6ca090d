//! The time that a store goes by.

use jiff::{SignedDuration, Timestamp};

/// What a store forgets by, and what it may have forgotten: see [`crate::Store::prune`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreClock {
    /// The time that it believes. `None` before the first row of the audit log.
    pub believed: Option<Timestamp>,
    /// Keys that were used once and were to be remembered up to this time may be gone, and are refused.
    pub forgotten: Timestamp,
}

impl StoreClock {
    /// How long after its time something is forgotten by the time that the store believes: so long that three callers that are
    /// ahead do no harm beside one that is right, and more than any tolerance for clocks in the verification of tokens, which is
    /// ten minutes at most.
    pub const MARGIN: SignedDuration = SignedDuration::from_hours(1);

    /// How far the time it believes is behind this one. Zero when it is not.
    pub fn behind(&self, now: Timestamp) -> SignedDuration {
        self.believed.map_or(SignedDuration::ZERO, |believed| now.duration_since(believed).max(SignedDuration::ZERO))
    }

    /// For how long from now on it refuses keys that it may have forgotten. Zero when it refuses none.
    pub fn refusing(&self, now: Timestamp) -> SignedDuration {
        self.forgotten.duration_since(now).max(SignedDuration::ZERO)
    }
}
