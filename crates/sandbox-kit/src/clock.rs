//! A clock that can be moved.

use std::sync::{Arc, Mutex, PoisonError};

use carnet_core::Clock;
use jiff::{SignedDuration, Timestamp};

/// The system's clock plus an offset.
#[derive(Debug)]
pub struct SandboxClock {
    base: Arc<dyn Clock>,
    offset: Mutex<SignedDuration>,
}

impl SandboxClock {
    /// A clock that runs with `base` until it is moved.
    pub fn new(base: Arc<dyn Clock>) -> Self {
        Self { base, offset: Mutex::new(SignedDuration::ZERO) }
    }

    /// Moves it, forwards or backwards; returns the new offset from the base.
    pub fn advance(&self, by: SignedDuration) -> SignedDuration {
        let mut offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        *offset = offset.saturating_add(by);
        *offset
    }

    /// Back to the base.
    pub fn reset(&self) {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner) = SignedDuration::ZERO;
    }
}

impl Clock for SandboxClock {
    fn now(&self) -> Timestamp {
        let offset = *self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        self.base.now().saturating_add(offset).unwrap_or(Timestamp::MAX)
    }
}
