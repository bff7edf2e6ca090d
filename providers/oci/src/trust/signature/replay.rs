//! Signatures that count once.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use carnet_jose::sha256;
use jiff::{SignedDuration, Timestamp};

use super::{MAX_SKEW, refuse};
use crate::trust::Checked;

/// Most signatures that are remembered. At 32 bytes four times and an end each, some 20 MB at the very most.
const CAPACITY: usize = 100_000;
/// Of these, one in so many may be of one principal: whoever signs without end must not have the room of all others.
const SHARE: usize = 100;

/// Remembers signatures for as long as their date could still be accepted.
#[derive(Debug)]
pub struct ReplayCache {
    capacity: usize,
    seen: Mutex<Seen>,
}

/// What became of a signature that was not used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It is refused from now on.
    Remembered,
    /// There is no room for it, or no more for its principal: it would be taken again.
    NoRoom,
}

#[derive(Debug, Default)]
struct Seen {
    digests: HashSet<[u8; 32]>,
    ends: VecDeque<(Timestamp, [u8; 32], Option<[u8; 32]>)>,
    /// How many are of whom, by the digest of its name.
    of: HashMap<[u8; 32], usize>,
}

impl Default for ReplayCache {
    fn default() -> Self {
        Self::with_capacity(CAPACITY)
    }
}

impl ReplayCache {
    /// One that remembers this many signatures, and of one principal a hundredth of them, at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { capacity, seen: Mutex::default() }
    }

    /// Whether a signature was used, for those who can spare themselves the rest then.
    ///
    /// # Errors
    /// Clause `replay` when it was.
    pub fn check(&self, signature: &[u8]) -> Checked<()> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.digests.contains(&sha256(signature)) { Err(again()) } else { Ok(()) }
    }

    /// Counts one use of a signature of this principal, as far as there is room: for those to whom this is not the only thing that says how often a signature
    /// counts. How the header was written does not matter, only the signature's bytes do.
    ///
    /// # Errors
    /// Clause `replay` at the second use.
    pub fn count(&self, principal: &str, signature: &[u8], now: Timestamp) -> Checked<Counted> {
        self.put(Some(sha256(principal.as_bytes())), signature, now)
    }

    fn put(&self, principal: Option<[u8; 32]>, signature: &[u8], now: Timestamp) -> Checked<Counted> {
        let digest = sha256(signature);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(now);
        if seen.digests.contains(&digest) {
            return Err(again());
        }
        let own = principal.and_then(|principal| seen.of.get(&principal)).copied().unwrap_or_default();
        if seen.digests.len() >= self.capacity || own >= (self.capacity / SHARE).max(1) {
            return Ok(Counted::NoRoom);
        }
        let window = MAX_SKEW.saturating_add(MAX_SKEW).saturating_add(SignedDuration::from_secs(1));
        let end = now.saturating_add(window).unwrap_or(Timestamp::MAX);
        seen.ends.push_back((end, digest, principal));
        seen.digests.insert(digest);
        if let Some(principal) = principal {
            seen.of.insert(principal, own.saturating_add(1));
        }
        Ok(Counted::Remembered)
    }

    /// The same for those who have nothing else, and whose principals are not counted: what cannot be remembered is refused rather than let through.
    ///
    /// # Errors
    /// Clause `replay` at the second use, `replay-room` when there is no room.
    pub fn use_once(&self, signature: &[u8], now: Timestamp) -> Checked<()> {
        match self.put(None, signature, now)? {
            Counted::Remembered => Ok(()),
            Counted::NoRoom => Err(refuse(
                "replay-room",
                "too many signatures within ten minutes",
                "fewer requests",
                "wait; signatures are remembered until their date is too old",
            )),
        }
    }
}

impl Seen {
    /// Forgets what is too old to be accepted.
    fn forget(&mut self, now: Timestamp) {
        while let Some((end, old, principal)) = self.ends.front().copied() {
            if end > now {
                return;
            }
            self.ends.pop_front();
            self.digests.remove(&old);
            let Some(principal) = principal else { continue };
            match self.of.get_mut(&principal) {
                Some(count) if *count > 1 => *count = count.saturating_sub(1),
                _ => drop(self.of.remove(&principal)),
            }
        }
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
    #[test]
    fn one_principal_does_not_take_the_room_of_the_others() {
        let cache = ReplayCache::with_capacity(200);
        let start = Timestamp::from_second(1_795_262_400).unwrap();
        for number in 0..2 {
            assert_eq!(cache.count("a", &[number], start).unwrap(), Counted::Remembered);
        }
        assert_eq!(cache.count("a", &[2], start).unwrap(), Counted::NoRoom);
        assert_eq!(cache.count("a", &[0], start).unwrap_err().clause, "replay", "what is remembered stays so");
        assert_eq!(cache.count("b", &[3], start).unwrap(), Counted::Remembered);
        let later = start + SignedDuration::from_mins(11);
        assert_eq!(cache.count("a", &[2], later).unwrap(), Counted::Remembered, "room comes back");
        assert_eq!(cache.seen.lock().unwrap().of.len(), 1, "principals that have gone are forgotten");
    }

    #[test]
    fn all_together_have_the_room_that_there_is() {
        let cache = ReplayCache::with_capacity(2);
        let start = Timestamp::from_second(1_795_262_400).unwrap();
        let counted = ["a", "b", "c"].map(|name| cache.count(name, name.as_bytes(), start).unwrap());
        assert_eq!(counted, [Counted::Remembered, Counted::Remembered, Counted::NoRoom]);
        assert_eq!(cache.use_once(b"d", start).unwrap_err().clause, "replay-room");
    }
}
