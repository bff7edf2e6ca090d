//! How many streams may be open: of all processes together, and of each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use carnet_net::Peer;

/// Whose streams are counted together. A process has no number here when it is of another pid namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    User(u32),
    Process(i32),
}

/// The places for streams.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    most_of_user: usize,
    most_of_process: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<Holder, usize>,
}

/// A place for one stream; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    holders: Vec<Holder>,
}

impl Places {
    pub(crate) fn new(most: usize, most_of_user: usize, most_of_process: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_user, most_of_process, taken: Mutex::default() })
    }

    /// A place for one more stream of this process; nothing when all are taken, or it or its user has as many as it may.
    pub(super) fn take(self: &Arc<Self>, peer: &Peer) -> Option<Place> {
        let holders: Vec<Holder> = [Holder::User(peer.uid)].into_iter().chain(peer.pid.map(Holder::Process)).collect();
        let mut taken = self.lock();
        let is_full = |holder: &Holder| {
            let most = match holder {
                Holder::User(_) => self.most_of_user,
                Holder::Process(_) => self.most_of_process,
            };
            taken.by.get(holder).is_some_and(|own| *own >= most)
        };
        if taken.all >= self.most || holders.iter().any(is_full) {
            return None;
        }
        taken.all = taken.all.saturating_add(1);
        for holder in &holders {
            let own = taken.by.entry(*holder).or_default();
            *own = own.saturating_add(1);
        }
        Some(Place { places: Arc::clone(self), holders })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all = taken.all.saturating_sub(1);
        for holder in &self.holders {
            let left = taken.by.get(holder).copied().unwrap_or_default().saturating_sub(1);
            if left == 0 {
                taken.by.remove(holder);
            } else {
                taken.by.insert(*holder, left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(pid: i32) -> Peer {
        Peer { pid: Some(pid), uid: 1, gid: 1, pidfd: None, pidfd_is_peer: false }
    }

    #[test]
    fn a_process_has_its_share_and_gives_back_what_it_ends() {
        let places = Places::new(5, 5, 3);
        let mut own: Vec<Place> = (0..3).map(|_| places.take(&peer(1)).unwrap()).collect();
        assert!(places.take(&peer(1)).is_none(), "more than its share");
        let other: Vec<Place> = (0..2).map(|_| places.take(&peer(2)).unwrap()).collect();
        assert!(places.take(&Peer { uid: 3, ..peer(3) }).is_none(), "all are taken");
        own.pop();
        assert!(places.take(&peer(1)).is_some());
        drop((own, other));
        assert!(places.lock().by.is_empty());
        assert_eq!(places.lock().all, 0);
    }

    #[test]
    fn the_processes_of_a_user_share_what_it_has() {
        let places = Places::new(5, 2, 1);
        let held: Vec<Place> = [peer(1), Peer { pid: None, ..peer(1) }].map(|peer| places.take(&peer).unwrap()).into();
        assert!(places.take(&peer(2)).is_none());
        assert!(places.take(&Peer { uid: 2, ..peer(2) }).is_some());
        assert_eq!(held.len(), 2);
    }
}
