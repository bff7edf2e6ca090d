//! Registration entries: kept in the store, looked up in memory.

mod edit;
mod index;
mod stored;
mod sync;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use carnet_attest::{Registration, protocol::authority_id};
use carnet_core::{Context, Error};
use carnet_spiffe::{BundleMap, Selector, SpiffeId, TrustDomain};
use carnet_store::Store;
use tokio::sync::{Mutex, watch};

pub use edit::{Draft, EntryError};
pub use index::Filter;
pub use stored::{API, Owned};

use index::Index;

/// What [`Entries`] are made of.
#[derive(Clone, Debug)]
pub struct EntriesParts {
    /// Where they are kept.
    pub store: Arc<dyn Store>,
    /// Time and randomness.
    pub context: Context,
    /// Whose identities they give.
    pub trust_domain: TrustDomain,
    /// The domains that an entry may federate with are those with a bundle here.
    pub bundles: watch::Receiver<Arc<BundleMap>>,
}

/// All registration entries, in step with the store, whichever node changes it.
pub struct Entries {
    parts: EntriesParts,
    authority: SpiffeId,
    index: RwLock<Index>,
    /// Held while the index is brought up to date.
    syncing: Mutex<()>,
    revision: watch::Sender<u64>,
}

/// Most entries on one page.
pub const MAX_PAGE: usize = 1000;

impl Entries {
    /// Reads all entries.
    ///
    /// # Errors
    /// Those of the store; an entry that cannot be read is passed over with an error in the log, and gives no identity.
    pub async fn open(parts: EntriesParts) -> Result<Arc<Self>, Error> {
        let authority = authority_id(&parts.trust_domain)?;
        let entries = Arc::new(Self {
            index: RwLock::new(Index::new(authority.clone())),
            authority,
            parts,
            syncing: Mutex::default(),
            revision: watch::Sender::new(0),
        });
        entries.sync().await?;
        Ok(entries)
    }

    /// Whose identities they give.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.parts.trust_domain
    }

    /// Revision of the last change that is known here.
    pub fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    /// Tells of changes. A change that this process has made is told before the call that made it returns.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.read(Index::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One entry, whether it has expired or not.
    pub fn get(&self, id: &str) -> Option<Arc<Owned>> {
        self.read(|index| index.get(id))
    }

    /// Those that fit, by `id`, from the first behind `after`: at most `limit`, and at most [`MAX_PAGE`]. A page that is
    /// shorter than that is the last.
    pub fn list(&self, filter: &Filter, after: Option<&str>, limit: usize) -> Vec<Arc<Owned>> {
        self.read(|index| index.list(filter, after, limit.min(MAX_PAGE)))
    }

    /// The entries whose workloads this agent serves: those whose parent is the agent itself, a group of nodes that its
    /// selectors put it in, or one of the identities given so, without end. By `id`; expired ones are left out.
    ///
    /// A group of nodes is an entry whose parent is the authority ([`authority_id`]).
    pub fn authorized(&self, agent: &SpiffeId, selectors: &BTreeSet<Selector>) -> Arc<[Arc<Registration>]> {
        let now = self.parts.context.now();
        self.read(|index| index.authorized(agent, selectors, now))
    }

    /// The entry, if it is one of [`Self::authorized`].
    pub fn authorized_entry(
        &self,
        agent: &SpiffeId,
        selectors: &BTreeSet<Selector>,
        id: &str,
    ) -> Option<Arc<Registration>> {
        self.authorized(agent, selectors).iter().find(|entry| entry.id == id).cloned()
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.parts.context.now()
    }

    fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("revision", &self.revision()).field("len", &self.len()).finish_non_exhaustive()
    }
}
