//! One cluster: its key and what is in it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use carnet_jose::Algorithm;
use carnet_sandbox_kit::{LazyKey, World};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    seed,
    store::{Key, Objects},
};

/// A cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) seed: &'static seed::Cluster,
    pub(crate) world: World,
    /// What it signs service accounts' tokens with.
    pub(crate) key: LazyKey,
    objects: Mutex<Objects>,
}

/// The kinds of objects that tokens are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Namespace,
    Node,
    Pod,
    ServiceAccount,
}

impl Kind {
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
}

impl Cluster {
    pub(crate) fn seeded(seed: &'static seed::Cluster, world: World) -> Self {
        let kid = format!("carnet-{}", seed.name);
        let key = match seed.algorithm {
            Algorithm::Rs256 => LazyKey::twin(&world.issuers, kid),
            other => LazyKey::new(other, kid),
        };
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
        let key = Key::new(kind.plural(), namespace, name);
        let mut objects = self.objects();
        if objects.find(&key).is_some() {
            return None;
        }
        object.insert("apiVersion".to_owned(), "v1".into());
        object.insert("kind".to_owned(), kind.name().into());
        if kind == Kind::ServiceAccount {
            object.remove("spec");
        }
        if kind == Kind::Pod {
            object.insert("status".to_owned(), json!({ "phase": "Running" }));
        }
        let mut object = Value::Object(object);
        self.born(&mut object, namespace, name);
        Some(Value::clone(&objects.write(key, object)))
    }

    /// Writes into the metadata of a new object what the API server alone decides. What the client says of it counts for nothing.
    pub(crate) fn born(&self, object: &mut Value, namespace: &str, name: &str) {
        let Some(members) = object.as_object_mut() else { return };
        let mut metadata = match members.remove("metadata") {
            Some(Value::Object(metadata)) => metadata,
            _ => Map::new(),
        };
        metadata.insert("name".to_owned(), name.into());
        metadata.insert("uid".to_owned(), uuid(&self.world).into());
        metadata.insert("creationTimestamp".to_owned(), seconds(self.now()).into());
        for own in ["generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generateName"] {
            metadata.remove(own);
        }
        if namespace.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        members.insert("metadata".to_owned(), metadata.into());
    }
}

impl Objects {
    pub(crate) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Value> {
        self.find(&Key::new(kind.plural(), namespace, name)).map(|object| &**object)
    }

    /// The UID of an object.
    pub(crate) fn uid(&self, kind: Kind, namespace: &str, name: &str) -> Option<String> {
        let uid = self.get(kind, namespace, name)?.pointer("/metadata/uid")?;
        uid.as_str().map(str::to_owned)
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
