//! All that the emulated services know, in one place and bounded.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use carnet_gcp::trust::{CheckedProvider, Policies, Policy, Pool, State as Life};
use carnet_sandbox_kit::World;
use jiff::{SignedDuration, Timestamp};

use crate::{issuers::IssuerKeys, keys::Keys, metadata, seed, tokens::Tokens};

/// Most entries of each kind. A sandbox that somebody fills by mistake answers `RESOURCE_EXHAUSTED` and goes on.
pub(crate) const MAX_ENTRIES: usize = 1000;
/// Most bytes of all objects together.
pub(crate) const MAX_STORED: usize = 64 << 20;
/// How long a deleted pool or provider can be brought back: about 30 days.
pub(crate) const UNDELETE_WINDOW: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The world and what is in it.
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) keys: Keys,
    pub(crate) issuers: IssuerKeys,
    pub(crate) metadata_tokens: metadata::Cache,
    inner: Mutex<Inner>,
}

/// What is behind the lock.
#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) pools: BTreeMap<String, PoolEntry>,
    /// By e-mail.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// By e-mail, one for each account.
    pub(crate) account_policies: BTreeMap<String, Policy>,
    pub(crate) project_policy: Policy,
    pub(crate) buckets: BTreeMap<String, Bucket>,
    /// Finished operations by name, with what came of them.
    pub(crate) operations: BTreeMap<String, serde_json::Value>,
    pub(crate) tokens: Tokens,
    /// Resumable uploads by id.
    pub(crate) uploads: BTreeMap<String, Upload>,
    counter: u64,
}

/// A pool with its providers.
#[derive(Clone, Debug)]
pub(crate) struct PoolEntry {
    pub(crate) pool: Pool,
    pub(crate) providers: BTreeMap<String, CheckedProvider>,
    pub(crate) policy: Policy,
}

/// A service account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) unique_id: String,
    pub(crate) display_name: String,
    pub(crate) description: String,
}

/// A bucket with its objects.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) created: Timestamp,
    pub(crate) location: String,
    pub(crate) storage_class: String,
    pub(crate) policy: Policy,
    pub(crate) objects: BTreeMap<String, Object>,
}

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) content_type: String,
    pub(crate) content: Bytes,
    pub(crate) generation: u64,
    pub(crate) created: Timestamp,
}

/// A resumable upload that has begun.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) bucket: String,
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) principal: String,
}

impl State {
    /// The world of the documents.
    pub(crate) fn seeded(world: World) -> Self {
        let mut inner = Inner::default();
        seed::fill(&mut inner, world.now("gcp-iam"));
        Self {
            issuers: IssuerKeys::new(&world),
            keys: Keys::default(),
            metadata_tokens: metadata::Cache::default(),
            inner: Mutex::new(inner),
            world,
        }
    }

    /// What is behind the lock. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl Inner {
    /// The next number, for generations, ids and etags.
    pub(crate) fn next(&mut self) -> u64 {
        self.counter = self.counter.saturating_add(1);
        self.counter
    }

    /// A pool that is there, or was deleted and not yet purged.
    pub(crate) fn pool(&self, id: &str) -> Option<&PoolEntry> {
        self.pools.get(id)
    }

    /// Whether the pool is there and switched on.
    pub(crate) fn pool_works(&self, id: &str) -> bool {
        self.pool(id).is_some_and(|entry| entry.pool.state == Life::Active && !entry.pool.disabled)
    }

    /// Forgets what was deleted long ago.
    pub(crate) fn purge(&mut self, now: Timestamp) {
        let gone = |expire: Option<Timestamp>| expire.is_some_and(|expire| expire <= now);
        self.pools.retain(|_, entry| !gone(entry.pool.expire_time));
        for entry in self.pools.values_mut() {
            entry.providers.retain(|_, provider| !gone(provider.provider().expire_time));
        }
    }

    /// The policies that decide over service accounts.
    pub(crate) fn policies(&self) -> Policies<'_> {
        Policies { service_accounts: &self.account_policies, project: &self.project_policy }
    }

    /// The e-mail of a service account that is named by e-mail or unique id.
    pub(crate) fn account_email(&self, name: &str) -> Option<String> {
        if self.accounts.contains_key(name) {
            return Some(name.to_owned());
        }
        self.accounts.iter().find_map(|(email, account)| (account.unique_id == name).then(|| email.clone()))
    }

    /// Takes a service account away. Bindings go on naming the one that was deleted, and its tokens stop: one that is made
    /// under the same name later is another (IAM, "Deleted principals").
    pub(crate) fn delete_account(&mut self, email: &str) {
        let Some(account) = self.accounts.remove(email) else { return };
        self.account_policies.remove(email);
        self.tokens.forget(email);
        let (member, deleted) =
            (format!("serviceAccount:{email}"), format!("deleted:serviceAccount:{email}?uid={}", account.unique_id));
        let pools = self.pools.values_mut().map(|entry| &mut entry.policy);
        let buckets = self.buckets.values_mut().map(|bucket| &mut bucket.policy);
        let policies = self.account_policies.values_mut().chain(pools).chain(buckets).chain([&mut self.project_policy]);
        let members = policies.flat_map(|policy| &mut policy.bindings).flat_map(|binding| &mut binding.members);
        members.filter(|own| **own == member).for_each(|own| own.clone_from(&deleted));
    }

    /// Bytes of all objects.
    pub(crate) fn stored(&self) -> usize {
        let objects = self.buckets.values().flat_map(|bucket| bucket.objects.values());
        objects.map(|object| object.content.len()).sum()
    }
}

impl Account {
    pub(crate) fn new(unique_id: &str, display_name: &str) -> Self {
        Self { unique_id: unique_id.to_owned(), display_name: display_name.to_owned(), description: String::new() }
    }
}

impl Bucket {
    pub(crate) fn new(created: Timestamp) -> Self {
        Self {
            created,
            location: "US".to_owned(),
            storage_class: "STANDARD".to_owned(),
            policy: Policy::default(),
            objects: BTreeMap::new(),
        }
    }

    /// Puts an object there, replacing one of the same name.
    pub(crate) fn put(&mut self, name: &str, content_type: &str, content: Bytes, generation: u64, now: Timestamp) {
        let object = Object { content_type: content_type.to_owned(), content, generation, created: now };
        self.objects.insert(name.to_owned(), object);
    }
}
