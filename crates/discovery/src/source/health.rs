//! Whether a source can be read.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// So many polls may fail in a row before it counts.
const POLLS: u32 = 5;
/// And never less than this, so that a restart of the source is no alarm.
const LEAST: Duration = Duration::from_mins(3);

/// How long ago a source was last read. Time is the runtime's, so that a clock that is set does not count.
#[derive(Debug)]
pub struct SourceHealth {
    threshold: Duration,
    started: Instant,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    success: Option<Instant>,
    error: Option<String>,
}

impl SourceHealth {
    /// For a source that is polled this often. It counts as lost after five polls, and not before three minutes: SPIRE's
    /// provider takes a single poll where five are longer than that, so polls of 36 s and more flap there.
    pub(super) fn new(every: Duration) -> Self {
        let threshold = every.saturating_mul(POLLS).max(LEAST);
        Self { threshold, started: Instant::now(), last: Mutex::default() }
    }

    /// There are documents, and they are not old.
    pub fn is_ready(&self) -> bool {
        self.lock().success.is_some_and(|success| success.elapsed() <= self.threshold)
    }

    /// It is ready, or may still become so for the first time: a restart would not help.
    pub fn is_live(&self) -> bool {
        let since = self.lock().success.unwrap_or(self.started);
        since.elapsed() <= self.threshold
    }

    /// How long ago the source was read last; `None` when it never was.
    pub fn last_success(&self) -> Option<Duration> {
        self.lock().success.map(|success| success.elapsed())
    }

    /// Why the source could not be read last; `None` when it could. Safe to show.
    pub fn last_error(&self) -> Option<String> {
        self.lock().error.clone()
    }

    pub(super) fn succeeded(&self) {
        *self.lock() = Last { success: Some(Instant::now()), error: None };
    }

    pub(super) fn failed(&self, why: String) {
        self.lock().error = Some(why);
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_live_until_it_has_had_its_time_and_ready_only_after_a_success() {
        let health = SourceHealth::new(Duration::from_secs(10));
        assert!(health.is_live() && !health.is_ready());
        tokio::time::advance(Duration::from_secs(181)).await;
        assert!(!health.is_live() && !health.is_ready());
        health.succeeded();
        assert!(health.is_live() && health.is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_flap_however_long_the_polls_are() {
        let health = SourceHealth::new(Duration::from_mins(1));
        health.succeeded();
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(health.is_ready(), "a poll that is a second late is no failure");
        tokio::time::advance(Duration::from_secs(238)).await;
        assert!(health.is_ready());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!health.is_ready() && !health.is_live());
    }
}
