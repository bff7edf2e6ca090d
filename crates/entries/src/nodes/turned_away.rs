//! Hearing that a node was turned away, here or at another authority on the same store.

use carnet_core::Error;
use carnet_store::{Expect, ObjectKind, Op, Store};
use tokio::sync::{Mutex, watch};

/// The setting whose revision grows whenever a node is banned or deleted.
const NAME: &str = "node-turned-away";

/// Tells that a node was turned away. Which one is seen by looking at it.
#[derive(Debug)]
pub(super) struct TurnedAway {
    told: watch::Sender<()>,
    changes: watch::Receiver<u64>,
    looked: Mutex<Looked>,
}

/// What the store was like at the last look.
#[derive(Debug)]
struct Looked {
    store: u64,
    setting: u64,
}

/// To be written together with what turns a node away.
pub(super) fn mark() -> Op {
    Op::PutObject {
        kind: ObjectKind::Setting,
        name: NAME.to_owned(),
        body: serde_json::Value::Null,
        expect: Expect::Any,
    }
}

impl TurnedAway {
    pub(super) async fn of(store: &dyn Store) -> Result<Self, Error> {
        let changes = store.changes();
        // Not in one expression: what is borrowed would be held while this waits, and whoever tells of a change waits for it.
        let before = *changes.borrow();
        let looked = Looked { store: before, setting: setting(store).await? };
        Ok(Self { told: watch::Sender::new(()), changes, looked: Mutex::new(looked) })
    }

    /// Tells that it was done here.
    pub(super) fn tell(&self) {
        self.told.send_replace(());
    }

    /// To wait with.
    pub(super) fn listen(&self) -> Listener {
        Listener { told: self.told.subscribe(), changes: self.changes.clone() }
    }

    /// Looks whether it was done elsewhere. Of all that wait one looks, once for each change of the store.
    async fn look(&self, store: &dyn Store) {
        let mut looked = self.looked.lock().await;
        let revision = *self.changes.borrow();
        if looked.store == revision {
            return;
        }
        match setting(store).await {
            Ok(setting) => {
                if setting != looked.setting {
                    self.tell();
                }
                *looked = Looked { store: revision, setting };
            }
            // The next change, or the end of the wait, brings the next look.
            Err(error) => tracing::warn!(%error, "whether a node was turned away elsewhere could not be read"),
        }
    }
}

async fn setting(store: &dyn Store) -> Result<u64, Error> {
    let found = store.object(ObjectKind::Setting, NAME.to_owned()).await?;
    Ok(found.map_or(0, |object| object.revision))
}

/// Somebody who waits.
#[derive(Debug)]
pub(crate) struct Listener {
    told: watch::Receiver<()>,
    changes: watch::Receiver<u64>,
}

impl super::Nodes {
    /// To be made before a node is looked at, so that nothing is lost in between.
    pub(crate) fn turned_away(&self) -> Listener {
        self.turned_away.listen()
    }

    /// Waits until any node is turned away. `false` when the store is closed.
    pub(crate) async fn until_turned_away(&self, listener: &mut Listener) -> bool {
        loop {
            tokio::select! {
                told = listener.told.changed() => return told.is_ok(),
                told = listener.changes.changed() => {
                    if told.is_err() {
                        return false;
                    }
                    self.turned_away.look(self.store()).await;
                }
            }
        }
    }
}
