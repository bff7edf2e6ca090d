//! Looking up.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Bound,
    sync::Arc,
};

use carnet_attest::Registration;
use carnet_spiffe::{Selector, SpiffeId};
use jiff::Timestamp;

use super::Owned;

/// Which entries to list. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The identity, or template, byte for byte.
    pub spiffe_id: Option<String>,
    /// The parent.
    pub parent_id: Option<SpiffeId>,
    /// Selectors that the entry has, perhaps among others.
    pub selectors: BTreeSet<Selector>,
    /// The owner.
    pub owner: Option<String>,
}

impl Filter {
    fn fits(&self, owned: &Owned) -> bool {
        let entry = &owned.entry;
        self.spiffe_id.as_ref().is_none_or(|id| entry.spiffe_id.as_str() == id)
            && self.parent_id.as_ref().is_none_or(|parent| entry.parent_id == *parent)
            && self.owner.as_ref().is_none_or(|owner| owned.owner == *owner)
            && self.selectors.is_subset(&entry.selectors)
    }
}

/// All entries: by their own key, and by how they are found for an agent.
#[derive(Debug)]
pub(super) struct Index {
    /// The parent of groups of nodes.
    authority: SpiffeId,
    by_id: BTreeMap<String, Arc<Owned>>,
    by_parent: HashMap<SpiffeId, BTreeMap<String, Arc<Registration>>>,
    /// Groups of nodes by their first selector: one that fits a node has it among the node's.
    groups: HashMap<Selector, BTreeMap<String, Arc<Registration>>>,
    expiring: BTreeSet<(Timestamp, String)>,
}

impl Index {
    pub(super) fn new(authority: SpiffeId) -> Self {
        Self {
            authority,
            by_id: BTreeMap::new(),
            by_parent: HashMap::new(),
            groups: HashMap::new(),
            expiring: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Owned>> {
        self.by_id.get(id).cloned()
    }

    pub(super) fn put(&mut self, owned: Owned) {
        self.remove(&owned.entry.id);
        let entry = Arc::clone(&owned.entry);
        let id = entry.id.clone();
        if entry.parent_id == self.authority {
            if let Some(first) = entry.selectors.first() {
                self.groups.entry(first.clone()).or_default().insert(id.clone(), Arc::clone(&entry));
            }
        } else {
            let children = self.by_parent.entry(entry.parent_id.clone()).or_default();
            children.insert(id.clone(), Arc::clone(&entry));
        }
        if let Some(expires_at) = entry.expires_at {
            self.expiring.insert((expires_at, id.clone()));
        }
        self.by_id.insert(id, Arc::new(owned));
    }

    pub(super) fn remove(&mut self, id: &str) {
        let Some(old) = self.by_id.remove(id) else { return };
        let entry = &old.entry;
        if let Some(first) = entry.selectors.first()
            && let Some(group) = self.groups.get_mut(first)
        {
            group.remove(id);
            if group.is_empty() {
                self.groups.remove(first);
            }
        }
        if let Some(children) = self.by_parent.get_mut(&entry.parent_id) {
            children.remove(id);
            if children.is_empty() {
                self.by_parent.remove(&entry.parent_id);
            }
        }
        if let Some(expires_at) = entry.expires_at {
            self.expiring.remove(&(expires_at, id.to_owned()));
        }
    }

    pub(super) fn list(&self, filter: &Filter, after: Option<&str>, limit: usize) -> Vec<Arc<Owned>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.by_id.range::<str, _>((from, Bound::Unbounded));
        range.map(|(_, owned)| owned).filter(|owned| filter.fits(owned)).take(limit).cloned().collect()
    }

    /// Those that have expired, the oldest first.
    pub(super) fn expired(&self, now: Timestamp, limit: usize) -> Vec<String> {
        let expired = self.expiring.iter().take_while(|(at, _)| *at <= now);
        expired.take(limit).map(|(_, id)| id.clone()).collect()
    }

    pub(super) fn authorized(
        &self,
        agent: &SpiffeId,
        selectors: &BTreeSet<Selector>,
        now: Timestamp,
    ) -> Arc<[Arc<Registration>]> {
        let mut parents = vec![agent.clone()];
        let groups = selectors.iter().filter_map(|selector| self.groups.get(selector)).flat_map(BTreeMap::values);
        let groups = groups.filter(|group| is_valid(group, now) && group.selectors.is_subset(selectors));
        parents.extend(groups.filter_map(|group| group.spiffe_id.fixed().cloned()));
        let mut seen: HashSet<SpiffeId> = parents.iter().cloned().collect();
        let mut found: BTreeMap<&str, &Arc<Registration>> = BTreeMap::new();
        // An identity is looked at once, so that entries that are each other's parents come to an end.
        while let Some(parent) = parents.pop() {
            let children = self.by_parent.get(&parent).into_iter().flat_map(BTreeMap::values);
            for child in children.filter(|child| is_valid(child, now)) {
                found.insert(&child.id, child);
                if let Some(id) = child.spiffe_id.fixed()
                    && seen.insert(id.clone())
                {
                    parents.push(id.clone());
                }
            }
        }
        found.into_values().cloned().collect()
    }
}

fn is_valid(entry: &Registration, now: Timestamp) -> bool {
    entry.expires_at.is_none_or(|expires_at| now < expires_at)
}
