//! What the agent knows at a moment, for everybody who serves it, and what they wish for.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use carnet_core::SecretBytes;
use carnet_spiffe::{Selector, SpiffeId};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    bundles::Bundles,
    entries::Entries,
    tainted::{Above, Tainted},
};

/// How far the agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has nothing from the authority yet.
    Starting,
    /// It serves. The authority may be away.
    Serving,
    /// The authority has turned the agent away: nothing is served any more, and nothing will be.
    Banned,
}

/// Which X509-SVID: of which entry, and for a template with which selectors. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MintKey(Arc<(String, BTreeSet<Selector>)>);

impl MintKey {
    pub(crate) fn new(entry_id: &str, selectors: BTreeSet<Selector>) -> Self {
        Self(Arc::new((entry_id.to_owned(), selectors)))
    }

    pub(crate) fn entry_id(&self) -> &str {
        &self.0.0
    }

    pub(crate) fn selectors(&self) -> &BTreeSet<Selector> {
        &self.0.1
    }
}

/// An X509-SVID of a workload.
#[derive(Debug)]
pub(crate) struct X509Svid {
    pub(crate) spiffe_id: SpiffeId,
    /// Concatenated DER, leaf first.
    pub(crate) chain: Vec<u8>,
    /// PKCS#8 in DER.
    pub(crate) private_key: SecretBytes,
    pub(crate) expires_at: Timestamp,
    pub(crate) renew_at: Timestamp,
    /// The entry's revision that it was made for.
    pub(crate) revision: u64,
    /// The authorities above it.
    pub(crate) above: Above,
    /// Whether one of them was tainted already when it was signed: an authority that had not heard of it. Then only `renew_at`
    /// says when to ask again, so that it is not asked in a circle.
    pub(crate) born_tainted: bool,
}

impl X509Svid {
    /// Whether it must be replaced whatever is left of its life.
    pub(crate) fn is_tainted(&self, tainted: &Tainted) -> bool {
        !self.born_tainted && tainted.concerns(&self.above)
    }
}

/// What came of asking for an X509-SVID.
#[derive(Clone, Debug)]
pub(crate) enum Minted {
    Svid(Arc<X509Svid>),
    /// The authority could not give another, and this one counts still.
    Kept {
        svid: Arc<X509Svid>,
        rest: Rest,
    },
    /// The authority gives none.
    Refused(Rest),
}

/// For how long the authority is not asked again, unless the entry changes before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    /// Of the entry that it was asked for.
    pub(crate) revision: u64,
    pub(crate) again_at: Timestamp,
    /// How often in a row there was none.
    pub(crate) times: u32,
}

impl Minted {
    pub(crate) fn svid(&self) -> Option<&Arc<X509Svid>> {
        match self {
            Self::Svid(svid) | Self::Kept { svid, .. } => Some(svid),
            Self::Refused(_) => None,
        }
    }

    /// The rest that goes for the entry as it is at this revision.
    pub(crate) fn rest(&self, revision: u64) -> Option<Rest> {
        match self {
            Self::Kept { rest, .. } | Self::Refused(rest) => Some(*rest).filter(|rest| rest.revision == revision),
            Self::Svid(_) => None,
        }
    }
}

/// What the agent knows at a moment. It never changes: the next one takes its place.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) phase: Phase,
    pub(crate) entries: Arc<Entries>,
    pub(crate) bundles: Arc<Bundles>,
    pub(crate) minted: Arc<HashMap<MintKey, Minted>>,
    pub(crate) tainted: Arc<Tainted>,
}

/// Where the snapshots go through.
#[derive(Debug)]
pub(crate) struct Hub {
    snapshots: watch::Sender<Arc<Snapshot>>,
    demand: Mutex<Demand>,
    wishes: watch::Sender<()>,
    nudges: watch::Sender<()>,
}

/// X509-SVIDs that somebody asks for, beyond those that are kept ready in any case.
#[derive(Debug, Default)]
struct Demand {
    wanted: HashMap<MintKey, Wanted>,
    counter: u64,
}

#[derive(Debug)]
struct Wanted {
    streams: usize,
    asked: u64,
}

impl Hub {
    pub(crate) fn new() -> Self {
        let first = Snapshot {
            phase: Phase::Starting,
            entries: Arc::default(),
            bundles: Arc::default(),
            minted: Arc::default(),
            tainted: Arc::default(),
        };
        Self {
            snapshots: watch::Sender::new(Arc::new(first)),
            demand: Mutex::default(),
            wishes: watch::Sender::new(()),
            nudges: watch::Sender::new(()),
        }
    }

    pub(crate) fn now(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    /// Wakes when [`Self::wish`] has brought a new key.
    pub(crate) fn wishes(&self) -> watch::Receiver<()> {
        self.wishes.subscribe()
    }

    /// Wakes when everybody is to look at the clock.
    pub(crate) fn nudges(&self) -> watch::Receiver<()> {
        self.nudges.subscribe()
    }

    pub(crate) fn nudge(&self) {
        self.nudges.send_replace(());
        // Streams look again as well: what has expired is not to be given any more.
        self.snapshots.send_modify(|_unchanged| {});
    }

    /// Lets streams look again when this moment has come: an entry has ceased to count.
    pub(crate) fn touch_if(&self, moment: Option<Timestamp>, now: Timestamp) {
        if moment.is_some_and(|moment| moment <= now) {
            self.snapshots.send_modify(|_unchanged| {});
        }
    }

    /// Puts a changed snapshot in place of the last one. After [`Phase::Banned`] nothing changes any more.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        self.snapshots.send_if_modified(|snapshot| {
            if snapshot.phase == Phase::Banned {
                return false;
            }
            let mut next = Snapshot::clone(snapshot);
            change(&mut next);
            *snapshot = Arc::new(next);
            true
        });
    }

    /// Forgets everything, for ever.
    pub(crate) fn ban(&self) {
        self.change(|snapshot| {
            *snapshot = Snapshot {
                phase: Phase::Banned,
                entries: Arc::default(),
                bundles: Arc::default(),
                minted: Arc::default(),
                tainted: Arc::default(),
            };
        });
    }

    /// Says that these are wanted, for as long as the wish lives.
    pub(crate) fn wish(self: &Arc<Self>) -> Wish {
        Wish { hub: Arc::clone(self), keys: Vec::new() }
    }

    /// What is wanted: those of open streams, and of those that were, the `idle` latest; the others are forgotten. `true`
    /// says that a stream is open.
    pub(crate) fn wanted(&self, idle: usize) -> Vec<(MintKey, bool)> {
        let mut demand = self.demand.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left: Vec<(u64, MintKey)> = demand
            .wanted
            .iter()
            .filter(|(_, wanted)| wanted.streams == 0)
            .map(|(key, wanted)| (wanted.asked, key.clone()))
            .collect();
        left.sort_unstable();
        let surplus = left.len().saturating_sub(idle);
        for (_, key) in left.into_iter().take(surplus) {
            demand.wanted.remove(&key);
        }
        demand.wanted.iter().map(|(key, wanted)| (key.clone(), wanted.streams > 0)).collect()
    }

    /// Forgets a wish that nobody has any more.
    pub(crate) fn forget(&self, key: &MintKey) {
        let mut demand = self.demand.lock().unwrap_or_else(PoisonError::into_inner);
        if demand.wanted.get(key).is_some_and(|wanted| wanted.streams == 0) {
            demand.wanted.remove(key);
        }
    }
}

/// X509-SVIDs that a stream gives. Dropping it ends the wish.
#[derive(Debug)]
pub(crate) struct Wish {
    hub: Arc<Hub>,
    keys: Vec<MintKey>,
}

impl Wish {
    /// Wishes for these and for nothing else.
    pub(crate) fn set(&mut self, keys: Vec<MintKey>) {
        if self.keys == keys {
            return;
        }
        let mut demand = self.hub.demand.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = false;
        for key in &keys {
            demand.counter = demand.counter.wrapping_add(1);
            let asked = demand.counter;
            let wanted = demand.wanted.entry(key.clone()).or_insert_with(|| {
                new = true;
                Wanted { streams: 0, asked }
            });
            wanted.streams = wanted.streams.saturating_add(1);
            wanted.asked = asked;
        }
        demand.leave(&self.keys);
        drop(demand);
        self.keys = keys;
        if new {
            self.hub.wishes.send_replace(());
        }
    }
}

impl Demand {
    fn leave(&mut self, keys: &[MintKey]) {
        for key in keys {
            if let Some(wanted) = self.wanted.get_mut(key) {
                wanted.streams = wanted.streams.saturating_sub(1);
            }
        }
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        let mut demand = self.hub.demand.lock().unwrap_or_else(PoisonError::into_inner);
        demand.leave(&self.keys);
    }
}
