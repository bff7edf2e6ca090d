//! Rows of nodes as the store has them now, without asking it for each call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use carnet_attest::protocol::Refusal;
use carnet_store::{NodeRow, Store};
use tokio::{sync::watch, time::Instant};

use super::store_failed;

/// Most rows that are remembered.
const MOST: usize = 20_000;
/// A row is read again after so long even when nothing was heard of the store: it may be cut off.
const LONGEST: Duration = Duration::from_secs(5);

/// Rows by SPIFFE ID. Every change of the store, whoever has made it, makes all of them count no more: they are read again when
/// they are needed.
#[derive(Debug)]
pub(super) struct Known {
    changes: watch::Receiver<u64>,
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    by_id: HashMap<String, Row>,
    /// How often all were forgotten. What was read before the last time is not remembered after it.
    forgotten: u64,
}

#[derive(Debug)]
struct Row {
    node: Arc<NodeRow>,
    /// The store's revision when it was asked.
    revision: u64,
    asked: Instant,
}

impl Known {
    pub(super) fn of(store: &dyn Store) -> Self {
        Self { changes: store.changes(), rows: Mutex::default() }
    }

    /// The row of this node.
    pub(super) async fn node(&self, store: &dyn Store, id: &str) -> Result<Option<Arc<NodeRow>>, Refusal> {
        // Taken before the store is asked: what changes meanwhile makes the answer count no more.
        let (revision, asked) = (*self.changes.borrow(), Instant::now());
        let forgotten = match self.recall(id, revision) {
            Ok(node) => return Ok(Some(node)),
            Err(forgotten) => forgotten,
        };
        let Some(node) = store.node(id.to_owned()).await.map_err(store_failed)?.map(Arc::new) else { return Ok(None) };
        let mut rows = self.lock();
        if rows.forgotten == forgotten {
            if rows.by_id.len() >= MOST {
                rows.by_id.clear();
            }
            rows.by_id.insert(id.to_owned(), Row { node: Arc::clone(&node), revision, asked });
        }
        Ok(Some(node))
    }

    /// The row, or how often all were forgotten so far.
    fn recall(&self, id: &str, revision: u64) -> Result<Arc<NodeRow>, u64> {
        let rows = self.lock();
        let row = rows.by_id.get(id).filter(|row| row.revision == revision && row.asked.elapsed() < LONGEST);
        row.map(|row| Arc::clone(&row.node)).ok_or(rows.forgotten)
    }

    /// Forgets all of them now: what was written here counts before the store has told of it.
    pub(super) fn forget(&self) {
        let mut rows = self.lock();
        rows.forgotten = rows.forgotten.wrapping_add(1);
        rows.by_id.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
