//! One cluster: its key and what is in it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use carnet_sandbox_kit::{LazyKey, World};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::seed;

/// A cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) seed: &'static seed::Cluster,
    pub(crate) world: World,
    /// What it signs service accounts' tokens with.
    pub(crate) key: LazyKey,
    objects: Mutex<Objects>,
}

/// The kinds of objects that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Namespace,
    Node,
    Pod,
    ServiceAccount,
}

/// Kind, namespace (empty for those of the whole cluster) and name.
pub(crate) type Key = (Kind, String, String);

/// Everything in it.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    /// `resourceVersion` of the latest change.
    pub(crate) version: u64,
    all: BTreeMap<Key, Value>,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Namespace, Self::Node, Self::Pod, Self::ServiceAccount];

    /// As in paths.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::Node => "nodes",
            Self::Pod => "pods",
            Self::ServiceAccount => "serviceaccounts",
        }
    }

    /// As in `kind`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Node => "Node",
            Self::Pod => "Pod",
            Self::ServiceAccount => "ServiceAccount",
        }
    }

    pub(crate) const fn is_namespaced(self) -> bool {
        matches!(self, Self::Pod | Self::ServiceAccount)
    }

    pub(crate) fn of_plural(plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == plural)
    }
}

impl Cluster {
    pub(crate) fn seeded(seed: &'static seed::Cluster, world: World) -> Self {
        let key = LazyKey::new(seed.algorithm, format!("carnet-{}", seed.name));
        let cluster = Self { seed, world, key, objects: Mutex::default() };
        let place = |kind: Kind, namespace: &str, name: &str, spec: Value| {
            let mut object = Map::new();
            object.insert("spec".to_owned(), spec);
            drop(cluster.put(kind, namespace, name, object));
        };
        place(Kind::Node, "", seed::NODE, json!({}));
        for namespace in seed::NAMESPACES {
            place(Kind::Namespace, "", namespace, json!({ "finalizers": ["kubernetes"] }));
            place(Kind::ServiceAccount, namespace, "default", json!({}));
        }
        for (namespace, pod, account) in seed::PODS {
            place(Kind::ServiceAccount, namespace, account, json!({}));
            let containers = json!([{ "name": "app", "image": "carnet-sandbox.example/app:1" }]);
            let spec = json!({ "serviceAccountName": account, "nodeName": seed::NODE, "containers": containers });
            place(Kind::Pod, namespace, pod, spec);
        }
        cluster
    }

    /// Now, by the API server's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.now(self.seed.service)
    }

    /// What is in it. Never held across an await.
    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a new object there, with a UID of its own. `None` when the name is taken.
    pub(crate) fn put(&self, kind: Kind, namespace: &str, name: &str, mut object: Map<String, Value>) -> Option<Value> {
        let uid = uuid(&self.world);
        let now = self.now();
        let mut objects = self.objects();
        let key = (kind, namespace.to_owned(), name.to_owned());
        if objects.all.contains_key(&key) {
            return None;
        }
        objects.version = objects.version.saturating_add(1);
        let mut metadata = match object.remove("metadata") {
            Some(Value::Object(metadata)) => metadata,
            _ => Map::new(),
        };
        // What the client says of these counts for nothing.
        metadata.insert("name".to_owned(), name.into());
        metadata.insert("uid".to_owned(), uid.into());
        metadata.insert("resourceVersion".to_owned(), objects.version.to_string().into());
        metadata.insert("creationTimestamp".to_owned(), seconds(now).into());
        if namespace.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        object.insert("apiVersion".to_owned(), "v1".into());
        object.insert("kind".to_owned(), kind.name().into());
        object.insert("metadata".to_owned(), metadata.into());
        if kind == Kind::ServiceAccount {
            object.remove("spec");
        }
        if kind == Kind::Pod {
            object.insert("status".to_owned(), json!({ "phase": "Running" }));
        }
        let object = Value::Object(object);
        objects.all.insert(key, object.clone());
        Some(object)
    }
}

impl Objects {
    pub(crate) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Value> {
        self.all.get(&(kind, namespace.to_owned(), name.to_owned()))
    }

    /// The UID of an object.
    pub(crate) fn uid(&self, kind: Kind, namespace: &str, name: &str) -> Option<String> {
        let uid = self.get(kind, namespace, name)?.pointer("/metadata/uid")?;
        uid.as_str().map(str::to_owned)
    }

    /// Those of a kind, of one namespace or of all.
    pub(crate) fn list(&self, kind: Kind, namespace: Option<&str>) -> Vec<Value> {
        let of = |(own, space, _): &&Key| *own == kind && namespace.is_none_or(|wanted| wanted == space.as_str());
        self.all.iter().filter(|(key, _)| of(key)).map(|(_, object)| object.clone()).collect()
    }

    /// Takes an object away; a namespace with all that is in it.
    pub(crate) fn remove(&mut self, kind: Kind, namespace: &str, name: &str) -> Option<Value> {
        let removed = self.all.remove(&(kind, namespace.to_owned(), name.to_owned()))?;
        if kind == Kind::Namespace {
            self.all.retain(|(_, space, _), _| space.as_str() != name);
        }
        self.version = self.version.saturating_add(1);
        Some(removed)
    }
}

/// A time as Kubernetes writes it.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A random UUID (RFC 9562, 5.4).
pub(crate) fn uuid(world: &World) -> String {
    let hex = world.random_hex::<16>();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
