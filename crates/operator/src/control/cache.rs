//! A copy of the objects of one kind, which follows the API server: a list, then what has changed since ("Kubernetes API Concepts").

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    api::Resource,
    kube::{ApiError, Event, Key, Kube, Object},
    metrics::Metrics,
};

/// The copy.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) of: Resource,
    objects: RwLock<BTreeMap<Key, Kept>>,
    /// How many namespaces have been listed whole.
    synced: watch::Sender<usize>,
}

#[derive(Debug)]
struct Kept {
    object: Arc<Object>,
    /// The stamp of what was told of last. What was learnt otherwise is not in it: the watch has still to tell of what came before.
    told: u64,
}

impl Kept {
    fn new(object: Object) -> Self {
        Self { told: object.stamp(), object: Arc::new(object) }
    }
}

/// How objects are followed.
pub(crate) struct Follow<'a> {
    pub(crate) kube: &'a Kube,
    /// Empty for all namespaces.
    pub(crate) namespace: &'a str,
    /// Labels that the objects must have.
    pub(crate) selector: &'a str,
    /// Whether changes of their status alone are told of. Who writes it would hear of its own writing, and two who write it of each other's, without end.
    pub(crate) status: bool,
    /// How long a watch lasts before it is asked for again.
    pub(crate) lasting: Duration,
    /// How long to wait after a failure, at first and at most.
    pub(crate) wait: (Duration, Duration),
    pub(crate) metrics: &'a Metrics,
}

impl Cache {
    pub(crate) fn new(of: Resource) -> Self {
        Self { of, objects: RwLock::default(), synced: watch::Sender::new(0) }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).get(key).map(|kept| Arc::clone(&kept.object))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Object>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.values().map(|kept| Arc::clone(&kept.object)).collect()
    }

    /// What the API server has answered is known before the watch tells it, unless the watch was faster.
    pub(crate) fn learn(&self, object: Object) {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let key = object.key();
        // Versions are not to be compared, except that they are numbers at every API server there is; what is no number is left to the watch.
        let Some(kept) = objects.get_mut(&key) else { return };
        let number = |object: &Object| object.version().parse::<u64>().ok();
        if kept.object.uid() == object.uid() && number(&kept.object) < number(&object) {
            kept.object = Arc::new(object.lean());
        }
    }

    /// Waits until so many namespaces have been listed.
    pub(crate) async fn wait(&self, namespaces: usize) {
        let mut synced = self.synced.subscribe();
        // The sender is ours, so it does not go away.
        drop(synced.wait_for(|done| *done >= namespaces).await);
    }

    /// Follows the API server without end, and tells of each object that has changed: as it is now, or as it was last.
    pub(crate) async fn follow(&self, how: Follow<'_>, changed: impl Fn(&Object)) {
        let mut wait = how.wait.0;
        let mut listed = false;
        let mut version = String::new();
        loop {
            let step = async {
                if version.is_empty() {
                    version = self.list(&how, &changed).await?;
                    if !listed {
                        listed = true;
                        self.synced.send_modify(|done| *done += 1);
                    }
                }
                self.watch(&how, &mut version, &changed).await
            };
            match step.await {
                Ok(told) => {
                    // A watch that ends at once and tells nothing is no reason to ask without a pause.
                    if told {
                        wait = how.wait.0;
                        continue;
                    }
                }
                Err(error) if error.is_gone() => {
                    how.metrics.relisted(self.of.plural);
                    tracing::debug!(
                        resource = self.of.plural,
                        "the API server has forgotten what comes next: listing again"
                    );
                    version.clear();
                }
                Err(error) => {
                    how.metrics.watch_failed(self.of.plural);
                    tracing::warn!(resource = self.of.plural, %error, "following the API server failed; trying again");
                    let asked = error.busy().unwrap_or_default();
                    tokio::time::sleep(asked.min(how.wait.1)).await;
                }
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(how.wait.1);
        }
    }

    /// Lists all objects and puts them in the place of those that are known. Gives the version of the list.
    async fn list(&self, how: &Follow<'_>, changed: &impl Fn(&Object)) -> Result<String, ApiError> {
        let mut found = BTreeMap::new();
        let mut next = String::new();
        let version = loop {
            let page = how.kube.list(&self.of, how.namespace, how.selector, &next).await?;
            found.extend(page.items.into_iter().map(|object| (object.key(), Kept::new(object))));
            if page.next.is_empty() {
                break page.version;
            }
            next = page.next;
        };
        let told: Vec<Arc<Object>> = {
            let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
            let here = |key: &Key| how.namespace.is_empty() || key.namespace == how.namespace;
            let gone = objects.iter().filter(|(key, _)| here(key) && !found.contains_key(*key));
            let told = gone.map(|(_, kept)| kept).chain(found.values());
            let told = told.map(|kept| Arc::clone(&kept.object)).collect();
            objects.retain(|key, _| !here(key));
            objects.extend(found);
            told
        };
        for object in told {
            changed(&object);
        }
        Ok(version)
    }

    /// Takes in what changes until the watch ends. Tells whether it told anything.
    async fn watch(
        &self,
        how: &Follow<'_>,
        version: &mut String,
        changed: &impl Fn(&Object),
    ) -> Result<bool, ApiError> {
        let mut watch = how.kube.watch(&self.of, how.namespace, how.selector, version, how.lasting).await?;
        // The server ends it in time; a connection that is dead says nothing at all.
        let patience = how.lasting.saturating_add(Duration::from_secs(10));
        let mut told = false;
        while let Some(event) = watch.next(patience).await? {
            told = true;
            match event {
                Event::Bookmark(at) => *version = at,
                Event::Put(object) => {
                    object.version().clone_into(version);
                    let (key, kept) = (object.key(), Kept::new(object));
                    let (object, told) = (Arc::clone(&kept.object), kept.told);
                    let before = self.objects.write().unwrap_or_else(PoisonError::into_inner).insert(key, kept);
                    if how.status || before.is_none_or(|before| before.told != told) {
                        changed(&object);
                    }
                }
                Event::Gone(object) => {
                    object.version().clone_into(version);
                    self.objects.write().unwrap_or_else(PoisonError::into_inner).remove(&object.key());
                    changed(&object);
                }
            }
        }
        Ok(told)
    }
}
