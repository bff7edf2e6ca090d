//! The objects of a cluster with their history: each change has a number, and whoever watches is told of those that came after the one it knows.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::Value;
use tokio::sync::watch;

/// Most changes that are remembered. Who has missed more must list again (410, `Expired`).
const HISTORY: usize = 10_000;

/// Where an object is: its resource as `PLURAL.GROUP` (the core's have no group), its namespace (empty for those of the whole cluster), its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self { resource: resource.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Added,
    Modified,
    Deleted,
}

impl What {
    /// As events of a watch say it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) what: What,
    pub(crate) key: Key,
    pub(crate) object: Arc<Value>,
}

/// Everything in a cluster.
#[derive(Debug)]
pub(crate) struct Objects {
    version: u64,
    all: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
    /// Changes up to this one are forgotten.
    compacted: u64,
    /// Which life of the API server this is. Watches end with it.
    life: u64,
    told: watch::Sender<(u64, u64)>,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            version: 0,
            all: BTreeMap::new(),
            history: VecDeque::new(),
            compacted: 0,
            life: 0,
            told: watch::Sender::new((0, 0)),
        }
    }
}

impl Objects {
    /// `resourceVersion` of the latest change.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// Which life of the API server this is.
    pub(crate) const fn life(&self) -> u64 {
        self.life
    }

    /// Tells of each change, as version and life.
    pub(crate) fn watch(&self) -> watch::Receiver<(u64, u64)> {
        self.told.subscribe()
    }

    pub(crate) fn find(&self, key: &Key) -> Option<&Arc<Value>> {
        self.all.get(key)
    }

    /// Those of a resource, of one namespace or of all, by namespace and name.
    pub(crate) fn of(&self, resource: &str, namespace: Option<&str>) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let first = Key::new(resource, namespace.unwrap_or_default(), "");
        let (resource, namespace) = (resource.to_owned(), namespace.map(str::to_owned));
        self.all.range(first..).take_while(move |(key, _)| {
            key.resource == resource && namespace.as_deref().is_none_or(|wanted| wanted == key.namespace)
        })
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.all.iter()
    }

    /// Puts an object in its place under the next version, which is written into it.
    pub(crate) fn write(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        let version = self.next(&mut object);
        let object = Arc::new(object);
        let before = self.all.insert(key.clone(), Arc::clone(&object));
        let what = if before.is_some() { What::Modified } else { What::Added };
        self.remember(Change { version, what, key, object: Arc::clone(&object) });
        object
    }

    /// Takes an object away.
    pub(crate) fn erase(&mut self, key: &Key) -> Option<Arc<Value>> {
        let mut object = Value::clone(&*self.all.remove(key)?);
        let version = self.next(&mut object);
        let object = Arc::new(object);
        self.remember(Change { version, what: What::Deleted, key: key.clone(), object: Arc::clone(&object) });
        Some(object)
    }

    /// The changes after this version, oldest first. `None` when some of them are forgotten.
    pub(crate) fn since(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        let known = version >= self.compacted;
        let from = self.history.partition_point(|change| change.version <= version);
        known.then(|| self.history.range(from..))
    }

    /// Forgets all changes, as etcd's compaction does: what is watched from an older version is `Expired`.
    pub(crate) fn compact(&mut self) {
        self.compacted = self.version;
        self.history.clear();
        self.tell();
    }

    /// Ends all watches in the middle, as an API server does that is stopped.
    pub(crate) fn restart(&mut self) {
        self.life = self.life.wrapping_add(1);
        self.tell();
    }

    fn next(&mut self, object: &mut Value) -> u64 {
        self.version = self.version.saturating_add(1);
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), self.version.to_string().into());
        }
        self.version
    }

    fn remember(&mut self, change: Change) {
        self.history.push_back(change);
        if self.history.len() > HISTORY
            && let Some(forgotten) = self.history.pop_front()
        {
            self.compacted = forgotten.version;
        }
        self.tell();
    }

    fn tell(&self) {
        self.told.send_replace((self.version, self.life));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn put(objects: &mut Objects, name: &str) {
        objects.write(Key::new("pods", "example", name), json!({ "metadata": { "name": name } }));
    }

    #[test]
    fn each_change_has_a_number_and_is_told_to_who_knows_less() {
        let mut objects = Objects::default();
        put(&mut objects, "a");
        put(&mut objects, "b");
        put(&mut objects, "a");
        objects.erase(&Key::new("pods", "example", "b"));
        let told: Vec<_> = objects.since(1).unwrap().map(|change| (change.version, change.what)).collect();
        assert_eq!(told, [(2, What::Added), (3, What::Modified), (4, What::Deleted)]);
        assert_eq!(objects.of("pods", Some("example")).count(), 1);
    }

    #[test]
    fn what_was_forgotten_cannot_be_told() {
        let mut objects = Objects::default();
        put(&mut objects, "a");
        put(&mut objects, "b");
        objects.compact();
        assert!(objects.since(1).is_none());
        assert_eq!(objects.since(2).unwrap().count(), 0);
    }

    #[test]
    fn resources_with_names_that_begin_alike_are_not_mixed() {
        let mut objects = Objects::default();
        objects.write(Key::new("entries.example", "a", "x"), json!({}));
        objects.write(Key::new("entries", "a", "x"), json!({}));
        objects.write(Key::new("entries", "b", "x"), json!({}));
        assert_eq!(objects.of("entries", None).count(), 2);
        assert_eq!(objects.of("entries", Some("b")).count(), 1);
    }
}
