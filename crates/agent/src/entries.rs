//! The entries of this agent's workloads, found by what a caller is.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use carnet_attest::Registration;
use carnet_spiffe::Selector;
use jiff::Timestamp;

/// Entries by selector. An entry is filed under the one of its selectors that the fewest entries have, so that a caller is
/// compared with few of them, however many there are.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    /// In the order in which identities are given: the oldest first, then by ID. A new entry so never becomes the default
    /// of a workload that has one.
    all: Vec<Arc<Registration>>,
    by_id: HashMap<String, usize>,
    by_selector: HashMap<Selector, Vec<usize>>,
}

impl Entries {
    pub(crate) fn new(entries: Vec<Registration>) -> Self {
        let mut all: Vec<Arc<Registration>> = entries.into_iter().map(Arc::new).collect();
        all.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        let mut counts: HashMap<&Selector, usize> = HashMap::new();
        for selector in all.iter().flat_map(|entry| &entry.selectors) {
            let count = counts.entry(selector).or_default();
            *count = count.saturating_add(1);
        }
        let mut by_selector: HashMap<Selector, Vec<usize>> = HashMap::new();
        for (at, entry) in all.iter().enumerate() {
            // An entry without selectors would be everybody's: it is nobody's.
            let rarest = entry.selectors.iter().min_by_key(|selector| counts.get(selector));
            if let Some(selector) = rarest {
                by_selector.entry(selector.clone()).or_default().push(at);
            }
        }
        let by_id = all.iter().enumerate().map(|(at, entry)| (entry.id.clone(), at)).collect();
        Self { all, by_id, by_selector }
    }

    /// All that count now, in order.
    pub(crate) fn all(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Registration>> {
        self.all.iter().filter(move |entry| counts(entry, now))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The one with this ID, if it counts now.
    pub(crate) fn get(&self, id: &str, now: Timestamp) -> Option<&Arc<Registration>> {
        self.by_id.get(id).and_then(|at| self.all.get(*at)).filter(|entry| counts(entry, now))
    }

    /// Those whose selectors a caller has all of, in order.
    pub(crate) fn matching(&self, selectors: &BTreeSet<Selector>, now: Timestamp) -> Vec<&Arc<Registration>> {
        let filed = selectors.iter().filter_map(|selector| self.by_selector.get(selector)).flatten();
        let found: BTreeSet<usize> = filed.copied().collect();
        let found = found.into_iter().filter_map(|at| self.all.get(at));
        found.filter(|entry| counts(entry, now) && entry.selectors.is_subset(selectors)).collect()
    }

    /// The next moment at which an entry ceases to count.
    pub(crate) fn next_end(&self, now: Timestamp) -> Option<Timestamp> {
        self.all(now).filter_map(|entry| entry.expires_at).min()
    }
}

fn counts(entry: &Registration, now: Timestamp) -> bool {
    entry.expires_at.is_none_or(|end| end > now)
}

#[cfg(test)]
mod tests {
    use carnet_spiffe::Entry;
    use jiff::SignedDuration;
    use serde_json::Map;

    use super::*;

    fn entry(id: &str, age: i64, selectors: &[&str]) -> Registration {
        let created_at = Timestamp::UNIX_EPOCH - SignedDuration::from_secs(age);
        Registration::from(Entry {
            id: id.into(),
            spiffe_id: format!("spiffe://td/{id}").parse().unwrap(),
            parent_id: "spiffe://td/carnet/agent/x".parse().unwrap(),
            selectors: selectors.iter().map(|one| one.parse().unwrap()).collect(),
            x509_ttl: None,
            jwt_ttl: None,
            federates_with: BTreeSet::new(),
            dns_names: Vec::new(),
            hint: String::new(),
            admin: false,
            downstream: false,
            expires_at: None,
            jwt_claims: Map::new(),
            include_jti: false,
            created_at,
            revision: 1,
        })
    }

    fn ids(entries: &Entries, selectors: &[&str], now: Timestamp) -> Vec<String> {
        let selectors = selectors.iter().map(|one| one.parse().unwrap()).collect();
        entries.matching(&selectors, now).iter().map(|entry| entry.id.clone()).collect()
    }

    #[test]
    fn a_caller_needs_all_selectors_of_an_entry() {
        let entries = Entries::new(vec![
            entry("both", 0, &["k8s:ns:pay", "k8s:sa:api"]),
            entry("one", 0, &["k8s:ns:pay"]),
            entry("nobody", 0, &[]),
        ]);
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(ids(&entries, &["k8s:ns:pay"], now), ["one"]);
        assert_eq!(ids(&entries, &["k8s:ns:pay", "k8s:sa:api", "unix:uid:0"], now), ["both", "one"]);
        assert!(ids(&entries, &["k8s:sa:api"], now).is_empty());
        assert!(ids(&entries, &[], now).is_empty());
    }

    #[test]
    fn the_oldest_entry_comes_first_and_then_the_lowest_id() {
        let entries = Entries::new(vec![entry("b", 0, &["a:b"]), entry("c", 9, &["a:b"]), entry("a", 0, &["a:b"])]);
        assert_eq!(ids(&entries, &["a:b"], Timestamp::UNIX_EPOCH), ["c", "a", "b"]);
    }

    #[test]
    fn an_entry_ceases_to_count_at_its_end() {
        let end = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1);
        let mut ending = entry("a", 0, &["a:b"]);
        ending.expires_at = Some(end);
        let entries = Entries::new(vec![ending]);
        assert_eq!(ids(&entries, &["a:b"], Timestamp::UNIX_EPOCH), ["a"]);
        assert!(ids(&entries, &["a:b"], end).is_empty());
        assert_eq!(entries.next_end(Timestamp::UNIX_EPOCH), Some(end));
        assert_eq!(entries.next_end(end), None);
        assert!(entries.get("a", end).is_none());
    }
}
