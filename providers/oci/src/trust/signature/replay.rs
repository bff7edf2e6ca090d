//! Signatures that count once.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use carnet_jose::sha256;
use jiff::{SignedDuration, Timestamp};

use super::{MAX_SKEW, refuse};
use crate::trust::Checked;

/// Most signatures that are remembered. At 32 bytes twice and an end each, some 10 MB at the very most. When it is full
/// further requests are refused rather than let through unremembered.
const CAPACITY: usize = 100_000;

/// Remembers signatures for as long as their date could still be accepted.
#[derive(Debug, Default)]
pub struct ReplayCache(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    digests: HashSet<[u8; 32]>,
    ends: VecDeque<(Timestamp, [u8; 32])>,
}

impl ReplayCache {
    /// Whether a signature was used, for those who can spare themselves the rest then.
    ///
    /// # Errors
    /// Clause `replay` when it was.
    pub fn check(&self, signature: &[u8]) -> Checked<()> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.digests.contains(&sha256(signature)) { Err(again()) } else { Ok(()) }
    }

    /// Counts one use of a signature. How the header was written does not matter, only the signature's bytes do.
    ///
    /// # Errors
    /// Clause `replay` at the second use, and at the first when the cache is full.
    pub fn use_once(&self, signature: &[u8], now: Timestamp) -> Checked<()> {
        let digest = sha256(signature);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((end, old)) = seen.ends.front().copied() {
            if end > now {
                break;
            }
            seen.ends.pop_front();
            seen.digests.remove(&old);
        }
        if seen.digests.contains(&digest) {
            return Err(again());
        }
        if seen.digests.len() >= CAPACITY {
            return Err(refuse(
                "replay",
                format!("{CAPACITY} signatures within ten minutes"),
                "fewer requests",
                "wait; signatures are remembered until their date is too old",
            ));
        }
        let window = MAX_SKEW.saturating_add(MAX_SKEW).saturating_add(SignedDuration::from_secs(1));
        let end = now.saturating_add(window).unwrap_or(Timestamp::MAX);
        seen.ends.push_back((end, digest));
        seen.digests.insert(digest);
        Ok(())
    }
}

fn again() -> Box<carnet_trust::Refusal> {
    refuse(
        "replay",
        "a signature that was used before",
        "a signature that is used once",
        "sign each request anew; dates have whole seconds, so two equal requests within one second are the same one",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_second_use_until_the_date_is_too_old_anyway() {
        let cache = ReplayCache::default();
        let start = Timestamp::from_second(1_795_262_400).unwrap();
        assert!(cache.use_once(&[1], start).is_ok());
        assert!(cache.use_once(&[2], start).is_ok());
        assert_eq!(cache.use_once(&[1], start + SignedDuration::from_mins(10)).unwrap_err().clause, "replay");
        assert!(cache.use_once(&[1], start + SignedDuration::from_mins(11)).is_ok());
    }
}
