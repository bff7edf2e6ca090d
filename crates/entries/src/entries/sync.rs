//! Staying in step with the store.

use std::{sync::PoisonError, time::Duration};

use carnet_core::Error;
use carnet_store::{Row, StoreError};
use tokio_util::sync::CancellationToken;

use super::{Entries, Index, Owned};
use crate::By;

/// Rows that are read at once.
const PAGE: usize = 1000;
/// How often it is looked for entries that have expired, and for changes that nobody told of.
const TICK: Duration = Duration::from_secs(5);
/// How long to wait after the store failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Expired entries that are deleted in one round.
const EXPIRED: usize = 1000;

impl Entries {
    /// Brings the index up to date with the store, and tells the watchers if anything has changed.
    ///
    /// # Errors
    /// Those of the store. The index is then as old as it was, or in part newer.
    pub async fn sync(&self) -> Result<(), Error> {
        let _one = self.syncing.lock().await;
        let mut revision = self.revision();
        loop {
            let rows = match self.parts.store.entries_since(revision, PAGE).await {
                Ok(rows) => rows,
                Err(StoreError::TooOld { .. }) => return self.start_again().await,
                Err(error) => return Err(error.into()),
            };
            let Some(last) = rows.last() else { return Ok(()) };
            revision = last.revision;
            let more = rows.len() >= PAGE;
            self.apply(rows, None);
            // Watchers look at the index, so it is told when the index is up to date.
            if !more {
                self.revision.send_replace(revision);
                return Ok(());
            }
        }
    }

    /// Tombstones that were not seen are gone, so everything is read anew and put in place at once.
    async fn start_again(&self) -> Result<(), Error> {
        let mut index = Index::new(self.authority.clone());
        let mut revision = 0;
        loop {
            let rows = self.parts.store.entries_since(revision, PAGE).await?;
            let more = rows.len() >= PAGE;
            revision = rows.last().map_or(revision, |row| row.revision);
            index = self.apply(rows, Some(index)).unwrap_or_else(|| Index::new(self.authority.clone()));
            if !more {
                break;
            }
        }
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
        self.revision.send_replace(revision);
        Ok(())
    }

    /// Puts rows into this index, or into the one that is in use.
    fn apply(&self, rows: Vec<Row>, index: Option<Index>) -> Option<Index> {
        // Parsed before the index is locked.
        let changes: Vec<(String, Option<Owned>)> = rows.into_iter().map(read).collect();
        let put = |index: &mut Index| {
            for (id, owned) in changes {
                match owned {
                    Some(owned) => index.put(owned),
                    None => index.remove(&id),
                }
            }
        };
        if let Some(mut index) = index {
            put(&mut index);
            return Some(index);
        }
        put(&mut self.index.write().unwrap_or_else(PoisonError::into_inner));
        None
    }

    /// Follows the store, and deletes entries that have expired, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut changes = self.parts.store.changes();
        loop {
            let synced = self.sync().await;
            let pause = if let Err(error) = synced {
                tracing::error!(error = %carnet_core::chain(&error).join(": "), "entries cannot be read from the store");
                PAUSE
            } else {
                self.delete_expired().await;
                TICK
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                told = changes.changed() => {
                    // The store is closed: there is nothing to follow any more.
                    if told.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn delete_expired(&self) {
        let now = self.parts.context.now();
        for id in self.read(|index| index.expired(now, EXPIRED)) {
            // Another node may have done it.
            if let Err(error) = self.delete_as(&id, "entry.expire", &By::itself("entries")).await {
                tracing::debug!(id, %error, "an expired entry was not deleted");
            }
        }
    }
}

/// An entry that cannot be read gives no identity.
fn read(row: Row) -> (String, Option<Owned>) {
    let id = row.id.clone();
    if row.deleted {
        return (id, None);
    }
    match Owned::of_row(row) {
        Ok(owned) => (id, Some(owned)),
        Err(error) => {
            tracing::error!(error = %carnet_core::chain(&error).join(": "), "an entry is passed over");
            (id, None)
        }
    }
}
