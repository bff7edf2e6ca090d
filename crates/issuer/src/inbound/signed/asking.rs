//! How many strangers may have somebody asked for them at once.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Unproved, away};
use crate::Caller;

/// Requests that are on their way at once. Each is a stranger's wish: beyond this they are asked to come again.
const MAX: usize = 64;
/// Of these, those of one caller: whoever lets them hang must not keep all others out.
const MAX_OF_ONE: usize = 8;

/// Who has how many requests on their way.
#[derive(Debug, Default)]
pub(super) struct Asking(Mutex<HashMap<String, usize>>);

/// One of them. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    of: &'a Asking,
    caller: String,
}

impl Asking {
    /// Counts one more of this caller.
    ///
    /// # Errors
    /// Clause `answer`, `later`, when there are too many of this caller or of all.
    pub(super) fn enter(&self, caller: &Caller) -> Result<Asked<'_>, Unproved> {
        let caller = caller.counted_as();
        let mut counts = self.lock();
        let own = counts.get(&caller).copied().unwrap_or_default();
        let too_many = |seen: &str| {
            let fix = "come again; if it stays so, look at who asks";
            Err(away(Unproved::new("answer", seen, "fewer", fix)))
        };
        if own >= MAX_OF_ONE {
            return too_many("too many requests of this caller are on their way");
        }
        if counts.values().sum::<usize>() >= MAX {
            return too_many("too many requests are on their way");
        }
        counts.insert(caller.clone(), own + 1);
        drop(counts);
        Ok(Asked { of: self, caller })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let mut counts = self.of.lock();
        match counts.get_mut(&self.caller) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.caller)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill<'a>(asking: &'a Asking, peer: &str) -> Vec<Asked<'a>> {
        std::iter::from_fn(|| asking.enter(&Caller::at(peer)).ok()).collect()
    }

    #[test]
    fn one_caller_holds_few_places_and_gives_them_back() {
        let asking = Asking::default();
        let held = fill(&asking, "192.0.2.7:1");
        assert_eq!(held.len(), MAX_OF_ONE);
        assert!(asking.enter(&Caller::at("192.0.2.7:2")).is_err_and(|unproved| unproved.later));
        asking.enter(&Caller::at("192.0.2.8")).unwrap();
        drop(held);
        assert!(asking.lock().is_empty(), "callers that have gone are forgotten");
    }

    #[test]
    fn an_ipv6_network_is_one_caller() {
        let asking = Asking::default();
        let held = fill(&asking, "2001:db8::1");
        assert!(asking.enter(&Caller::at("2001:db8::2")).is_err());
        asking.enter(&Caller::at("2001:db8:0:1::1")).unwrap();
        drop(held);
    }

    #[test]
    fn all_together_hold_no_more_than_there_are() {
        let asking = Asking::default();
        let held: Vec<_> = (0..=MAX).flat_map(|host| fill(&asking, &format!("192.0.2.{host}"))).collect();
        assert_eq!(held.len(), MAX);
    }
}
