//! A clock that can be moved.

use std::sync::{Arc, Mutex, PoisonError};

use carnet_core::Clock;
use jiff::{SignedDuration, Timestamp};

/// Another clock, plus an offset that can be changed while the sandbox runs.
///
/// Only the emulators read it. Certificates of the sandbox's own listeners and the clients' clocks stay with the
/// system, so that moving the time makes tokens expire and not connections fail.
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

    /// Moves it to a point in time, from where it runs on; returns the new offset from the base.
    pub fn set(&self, now: Timestamp) -> SignedDuration {
        let mut offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        *offset = now.duration_since(self.base.now());
        *offset
    }

    /// Back to the base.
    pub fn reset(&self) {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner) = SignedDuration::ZERO;
    }

    /// How far it is from the base.
    pub fn offset(&self) -> SignedDuration {
        *self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SandboxClock {
    fn now(&self) -> Timestamp {
        let offset = self.offset();
        let end = if offset.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
        self.base.now().saturating_add(offset).unwrap_or(end)
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::FixedClock;

    use super::*;

    fn fixed() -> (Arc<FixedClock>, SandboxClock) {
        let base = Arc::new(FixedClock::at(Timestamp::from_second(1_000_000).unwrap()));
        (Arc::clone(&base), SandboxClock::new(base))
    }

    #[test]
    fn moves_and_comes_back() {
        let (_, clock) = fixed();
        assert_eq!(clock.advance(SignedDuration::from_mins(10)), SignedDuration::from_mins(10));
        clock.advance(SignedDuration::from_mins(-40));
        assert_eq!(clock.now().as_second(), 1_000_000 - 1800);
        clock.reset();
        assert_eq!(clock.now().as_second(), 1_000_000);
    }

    #[test]
    fn runs_on_from_where_it_was_set() {
        let (base, clock) = fixed();
        clock.set(Timestamp::from_second(5).unwrap());
        base.advance(SignedDuration::from_secs(2));
        assert_eq!(clock.now().as_second(), 7);
    }

    #[test]
    fn never_leaves_the_calendar() {
        let (_, clock) = fixed();
        clock.advance(SignedDuration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
        clock.reset();
        clock.advance(SignedDuration::MIN);
        assert_eq!(clock.now(), Timestamp::MIN);
    }
}
