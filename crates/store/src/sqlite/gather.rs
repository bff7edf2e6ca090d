//! Commits that come together go to the writer together: one wake-up, one transaction and one sync pay for all of them.
//!
//! Who comes first waits for the others, and does so by standing at the end of the runtime's queue: its turn comes again when all
//! tasks that could run have run and the sockets were looked at once more. As long as that has brought further commits it waits
//! again, but not for longer than [`LONGEST`]. So nobody sleeps, a caller that is alone waits for one look at the sockets, and a
//! runtime that has its hands full with signatures commits in good time.

use std::{
    fmt, mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::{Committed, StoreError, apply::Prepared};

/// How long the first waits at most before the next who comes sends all of them off: some RS256 signatures. Only a runtime that has no
/// rest comes to it, and its callers wait for longer than that in any case.
const LONGEST: Duration = Duration::from_millis(4);

pub(super) type Reply = oneshot::Sender<Result<Committed, StoreError>>;

/// A commit, and who waits for it.
pub(super) type Waiting = (Box<Prepared>, Reply);

/// The commits that are to go to the writer next.
pub(super) struct Gathering {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    commits: Vec<Waiting>,
    /// Which group this is, so that the first of it does not send off the next.
    number: u64,
    /// When the first came.
    since: Option<Instant>,
}

/// What is to be done by who has joined.
pub(super) enum Joined {
    /// The first of this group sees that it is sent off.
    First(u64),
    /// Nothing.
    Another,
    /// The group is to go now.
    Complete(Vec<Waiting>),
}

impl Gathering {
    /// Of so many at most.
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Mutex::default() }
    }

    /// Takes one in.
    pub(super) fn join(&self, one: Waiting) -> Joined {
        let mut open = self.lock();
        open.commits.push(one);
        let waited = open.since.get_or_insert_with(Instant::now).elapsed();
        if open.commits.len() >= self.most || waited >= LONGEST {
            return Joined::Complete(open.close());
        }
        if open.commits.len() > 1 {
            return Joined::Another;
        }
        Joined::First(open.number)
    }

    /// How many have joined this group; `None` when it has gone.
    pub(super) fn size(&self, number: u64) -> Option<usize> {
        let open = self.lock();
        (open.number == number).then_some(open.commits.len())
    }

    /// Takes this group away, or whichever there is; `None` when it has gone already.
    pub(super) fn take(&self, number: Option<u64>) -> Option<Vec<Waiting>> {
        let mut open = self.lock();
        let meant = number.is_none_or(|number| number == open.number);
        (meant && !open.commits.is_empty()).then(|| open.close())
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn close(&mut self) -> Vec<Waiting> {
        self.number = self.number.wrapping_add(1);
        self.since = None;
        mem::take(&mut self.commits)
    }
}

impl fmt::Debug for Gathering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathering").field("most", &self.most).finish_non_exhaustive()
    }
}
