//! What of this operator is at the authority, as it was seen last.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use carnet_attest::Registration;
use carnet_issuer::Rule;
use jiff::Timestamp;

use super::Naming;
use crate::authority::{AdminError, Authority};

/// A copy of it. Empty, and known to be so, until it is loaded.
#[derive(Debug, Default)]
pub(crate) struct Known {
    inner: Mutex<Inner>,
    loading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Inner {
    loaded: bool,
    entries: BTreeMap<String, Registration>,
    rules: BTreeMap<String, Rule>,
}

impl Known {
    /// Reads it from the authority, unless it is known.
    pub(super) async fn load(&self, authority: &Authority, naming: &Naming) -> Result<(), AdminError> {
        let loading = self.loading.lock().await;
        if self.inner().loaded {
            return Ok(());
        }
        let entries = authority.entries(&naming.entry("")).await?;
        let rules = authority.rules(&naming.rule("")).await?;
        let mut inner = self.inner();
        inner.entries = entries.into_iter().map(|entry| (entry.id.clone(), entry)).collect();
        inner.rules = rules.into_iter().map(|rule| (rule.name.clone(), rule)).collect();
        inner.loaded = true;
        drop((inner, loading));
        Ok(())
    }

    /// It is read again before it is used.
    pub(super) fn forget(&self) {
        self.inner().loaded = false;
    }

    pub(super) fn len(&self) -> usize {
        let inner = self.inner();
        inner.entries.len().saturating_add(inner.rules.len())
    }

    /// The entries that this is true of.
    pub(super) fn entries(&self, is: impl Fn(&Registration) -> bool) -> Vec<Registration> {
        self.inner().entries.values().filter(|entry| is(entry)).cloned().collect()
    }

    pub(super) fn rules(&self) -> Vec<String> {
        self.inner().rules.keys().cloned().collect()
    }

    /// The revision of the entry that is there.
    pub(super) fn entry(&self, id: &str) -> Option<u64> {
        self.inner().entries.get(id).map(|entry| entry.revision)
    }

    /// Whether just this entry is there.
    pub(super) fn has_entry(&self, wanted: &Registration) -> bool {
        let inner = self.inner();
        let there = inner.entries.get(&wanted.id);
        let bare =
            |entry: &Registration| Registration { created_at: Timestamp::UNIX_EPOCH, revision: 0, ..entry.clone() };
        there.is_some_and(|there| bare(there) == bare(wanted))
    }

    pub(super) fn put_entry(&self, entry: Registration) {
        self.inner().entries.insert(entry.id.clone(), entry);
    }

    pub(super) fn remove_entry(&self, id: &str) {
        self.inner().entries.remove(id);
    }

    /// Whether just this rule is there.
    pub(super) fn has_rule(&self, wanted: &Rule) -> bool {
        self.inner().rules.get(&wanted.name) == Some(wanted)
    }

    pub(super) fn put_rule(&self, rule: Rule) {
        self.inner().rules.insert(rule.name.clone(), rule);
    }

    pub(super) fn remove_rule(&self, name: &str) {
        self.inner().rules.remove(name);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
