//! What the emulators decided, for whoever asks why.
//!
//! A cloud tells its caller little ("invalid_grant"). The operator of the sandbox may know everything: which clause
//! failed, what was seen, what was wanted.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use carnet_trust::{Decision, Grant, Refusal};
use serde::Serialize;

/// Most decisions that are kept; the oldest are dropped.
const KEPT: usize = 256;

/// One decision of one service.
#[derive(Clone, Debug, Serialize)]
pub struct Decided {
    /// Counts up from 1.
    pub number: u64,
    /// The service.
    pub service: &'static str,
    /// What was decided.
    pub decision: Decision,
}

/// The latest decisions of all services.
#[derive(Debug, Default)]
pub struct Decisions(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    count: u64,
    kept: VecDeque<Decided>,
}

impl Decisions {
    /// Notes that a service granted something.
    pub fn allowed(&self, service: &'static str, grant: &Grant) {
        self.note(service, Decision::Allow(grant.clone()));
    }

    /// Notes that a service refused something.
    pub fn refused(&self, service: &'static str, refusal: &Refusal) {
        self.note(service, Decision::Refuse(refusal.clone()));
    }

    /// The decisions after number `after`, oldest first.
    pub fn since(&self, after: u64) -> Vec<Decided> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.kept.iter().filter(|decided| decided.number > after).cloned().collect()
    }

    /// How many there have been.
    pub fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    fn note(&self, service: &'static str, decision: Decision) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.count = log.count.saturating_add(1);
        let number = log.count;
        if log.kept.len() == KEPT {
            log.kept.pop_front();
        }
        log.kept.push_back(Decided { number, service, decision });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_are_kept() {
        let decisions = Decisions::default();
        for _ in 0..=KEPT {
            decisions.refused("gcp-sts", &Refusal::new("audience", "a", "b", "invalid_grant", "fix"));
        }
        assert_eq!(decisions.count(), 257);
        let kept = decisions.since(0);
        assert_eq!((kept.len(), kept[0].number), (KEPT, 2));
        assert!(decisions.since(257).is_empty());
    }
}
