//! All that the emulated services know, in one place and bounded.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use carnet_core::Secret;
use carnet_jose::Algorithm;
use carnet_sandbox_kit::{LazyKey, World};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{behaviour::Behaviour, directory::Directory, issuers::IssuerKeys, roles::Assignments, seed};

/// Most role assignments. Each of ten thousand identities must be able to have one; Azure's own quota is 4000.
pub(crate) const MAX_ASSIGNMENTS: usize = 20_000;
/// Most entries of each other kind, clients apart ([`crate::directory::MAX_CLIENTS`]). A sandbox that somebody fills by mistake refuses and goes on.
pub(crate) const MAX_ENTRIES: usize = 1000;
/// Most bytes of all blobs together.
pub(crate) const MAX_STORED: usize = 64 << 20;

/// The world and what is in it.
pub(crate) struct State {
    pub(crate) world: World,
    /// What Entra signs access tokens with.
    pub(crate) key: LazyKey,
    pub(crate) issuers: IssuerKeys,
    /// What the file holds that the Arc agent names.
    pub(crate) arc_key: Secret,
    inner: Mutex<Inner>,
}

/// What is behind the lock.
#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) behaviour: Behaviour,
    pub(crate) directory: Directory,
    pub(crate) assignments: Assignments,
    /// Client ids of the identities that the machine has; the first is its own.
    pub(crate) attached: Vec<String>,
    /// By name in lower case.
    pub(crate) groups: BTreeMap<String, Group>,
    /// By name, which is in lower case and unique in the world.
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) operations: Operations,
}

/// A resource group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) tags: Map<String, Value>,
}

/// A storage account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    /// Name of its group, as that is written.
    pub(crate) group: String,
    pub(crate) location: String,
    pub(crate) kind: String,
    pub(crate) sku: String,
    pub(crate) created: Timestamp,
    pub(crate) containers: BTreeMap<String, Container>,
}

/// A container with its blobs.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) changed: Timestamp,
    pub(crate) etag: String,
    pub(crate) blobs: BTreeMap<String, Blob>,
}

/// A block blob.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) content: Bytes,
    pub(crate) content_type: String,
    /// `x-ms-meta-…`, names in lower case.
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) etag: String,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
}

/// Something that Resource Manager takes its time for.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// How often it is still found unfinished.
    pub(crate) polls: u32,
    pub(crate) started: Timestamp,
    /// Object id of whoever began it.
    pub(crate) by: String,
    /// What `Location` answers at the end; `Null` for nothing (204).
    pub(crate) result: Value,
}

/// Operations by id; the oldest are forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    known: HashMap<String, Operation>,
    order: VecDeque<String>,
}

impl Operations {
    /// Remembers a new one.
    pub(crate) fn begin(&mut self, id: String, operation: Operation) {
        while self.order.len() >= MAX_ENTRIES {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        self.order.push_back(id.clone());
        self.known.insert(id, operation);
    }

    /// The one of this id.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Operation> {
        self.known.get_mut(id)
    }
}

impl State {
    /// The world of the documents.
    pub(crate) fn seeded(world: World) -> Self {
        let mut inner = Inner::default();
        seed::fill(&mut inner, world.now(crate::arm::SERVICE));
        Self {
            issuers: IssuerKeys::new(&world),
            key: LazyKey::new(Algorithm::Rs256, "carnet-sandbox-entra"),
            arc_key: Secret::new(world.random_hex::<32>()),
            inner: Mutex::new(inner),
            world,
        }
    }

    /// What is behind the lock. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An etag that nothing has had.
    pub(crate) fn etag(&self) -> String {
        format!("\"0x{}\"", self.world.random_hex::<8>().to_ascii_uppercase())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl Inner {
    /// Bytes of all blobs.
    pub(crate) fn stored(&self) -> usize {
        let containers = self.accounts.values().flat_map(|account| account.containers.values());
        containers.flat_map(|container| container.blobs.values()).map(|blob| blob.content.len()).sum()
    }
}

impl Account {
    /// Resource Manager's id of it.
    pub(crate) fn id(&self) -> String {
        seed::resource(&self.group, &format!("Microsoft.Storage/storageAccounts/{}", self.name))
    }

    /// Resource Manager's id of one of its containers.
    pub(crate) fn container_id(&self, container: &str) -> String {
        format!("{}/blobServices/default/containers/{container}", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_operation_is_forgotten_first() {
        let mut operations = Operations::default();
        let operation = Operation { polls: 1, started: Timestamp::UNIX_EPOCH, by: String::new(), result: Value::Null };
        // The first in order of their ids is the youngest here.
        for number in 0..=MAX_ENTRIES {
            operations.begin(format!("{:04}", MAX_ENTRIES - number), operation.clone());
        }
        assert!(operations.get_mut(&format!("{MAX_ENTRIES:04}")).is_none());
        assert!(operations.get_mut(&format!("{:04}", MAX_ENTRIES - 1)).is_some());
        assert!(operations.get_mut("0000").is_some());
    }
}
