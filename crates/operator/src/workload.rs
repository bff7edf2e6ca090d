//! Authority, agents and discovery as objects of Kubernetes: what is wanted is made of the custom resource alone, applied, and looked at.

mod agent;
mod authority;
mod config;
mod csi;
mod discovery;
mod exposure;
mod keeper;
mod pods;

use serde_json::{Map, Value, json};

use crate::{
    api::{AGENTS, AUTHORITIES, DISCOVERY_PROVIDERS, Exposure, Placement, Resource},
    kube::{MANAGER, Object},
    settings::Allowed,
};

pub(crate) use keeper::{Keeper, Place};

/// The label by which what the operator makes is found again.
pub(crate) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", MANAGER);

/// What the operator itself is set to.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    /// The image of pods whose custom resource names none.
    pub(crate) image: String,
    /// The same of what tells kubelets of the CSI driver.
    pub(crate) registrar: String,
    /// What custom resources may name otherwise.
    pub(crate) allowed: Allowed,
}

impl Defaults {
    /// Whether pods may run so.
    fn check(&self, placement: &Placement) -> Result<(), String> {
        match &placement.image {
            Some(image) if *image != self.image => self.allowed.image("placement.image", image),
            _ => Ok(()),
        }
    }
}

/// An object that is wanted, or wanted no more.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) of: Resource,
    pub(crate) object: Value,
    /// Whether it is to be there. What is not is deleted, if it is ours.
    pub(crate) wanted: bool,
}

/// All that a custom resource makes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// In the order in which they are applied.
    pub(crate) parts: Vec<Part>,
    /// The one whose pods say whether it works: StatefulSet, Deployment or DaemonSet.
    pub(crate) pods: Resource,
    /// The name that most of them have.
    pub(crate) name: String,
    pub(crate) exposure: Option<Exposure>,
    /// Secrets that somebody else must make.
    pub(crate) secrets: Vec<String>,
}

impl Plan {
    /// Of a custom resource.
    ///
    /// # Errors
    /// What is wrong with its spec.
    pub(crate) fn of(of: &Resource, object: &Object, defaults: &Defaults) -> Result<Self, String> {
        let spec = object.spec().clone();
        let wrong = |error: serde_json::Error| format!("spec: {error}");
        if *of == AUTHORITIES {
            authority::plan(&serde_json::from_value(spec).map_err(wrong)?, &Owner::of(object, "authority"), defaults)
        } else if *of == AGENTS {
            agent::plan(&serde_json::from_value(spec).map_err(wrong)?, &Owner::of(object, "agent"), defaults)
        } else {
            discovery::plan(&serde_json::from_value(spec).map_err(wrong)?, &Owner::of(object, "discovery"), defaults)
        }
    }
}

/// The kinds of custom resources that make pods.
pub(crate) const KINDS: [Resource; 3] = [AUTHORITIES, AGENTS, DISCOVERY_PROVIDERS];

/// Whose objects they are, and what they are called.
#[derive(Clone, Debug)]
struct Owner {
    namespace: String,
    /// Of the custom resource.
    instance: String,
    component: &'static str,
    reference: Value,
    uid: String,
}

impl Owner {
    fn of(object: &Object, component: &'static str) -> Self {
        let key = object.key();
        let text = |name: &str| object.0.get(name).cloned().unwrap_or_default();
        let reference = json!({
            "apiVersion": text("apiVersion"), "kind": text("kind"), "name": key.name, "uid": object.uid(),
            "controller": true, "blockOwnerDeletion": true,
        });
        let uid = object.uid().to_owned();
        Self { namespace: key.namespace, instance: key.name, component, reference, uid }
    }

    /// `INSTANCE-COMPONENT`
    fn name(&self) -> String {
        format!("{}-{}", self.instance, self.component)
    }

    /// For what is in no namespace.
    fn cluster_name(&self) -> String {
        format!("{}:{}", self.namespace, self.name())
    }

    /// Labels that pods are found by. They never change.
    fn selector(&self) -> Value {
        json!({ "app.kubernetes.io/name": "carnet", "app.kubernetes.io/instance": self.instance, "app.kubernetes.io/component": self.component })
    }

    fn labels(&self) -> Value {
        let mut labels = self.selector();
        if let Some(members) = labels.as_object_mut() {
            members.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.into());
        }
        labels
    }

    /// An object of the namespace, which goes with the custom resource.
    fn part(&self, of: Resource, name: &str, rest: Value) -> Part {
        let metadata = json!({
            "name": name, "namespace": self.namespace, "labels": self.labels(), "ownerReferences": [self.reference],
        });
        Part { of, object: whole(of, metadata, rest), wanted: true }
    }

    /// An object of the whole cluster. What is in a namespace cannot own it: it is marked, and deleted before the custom resource goes.
    fn cluster_part(&self, of: Resource, rest: Value) -> Part {
        self.cluster_named(of, &self.cluster_name(), rest)
    }

    /// The same by a name that others must know.
    fn cluster_named(&self, of: Resource, name: &str, rest: Value) -> Part {
        let mut labels = self.labels();
        if let Some(members) = labels.as_object_mut() {
            members.insert(OWNER.to_owned(), self.uid.clone().into());
        }
        let metadata = json!({ "name": name, "labels": labels });
        Part { of, object: whole(of, metadata, rest), wanted: true }
    }
}

/// The label with the UID of the custom resource, on what is in no namespace.
pub(crate) const OWNER: &str = "carnet.dev/owner-uid";

fn whole(of: Resource, metadata: Value, rest: Value) -> Value {
    let mut object = match rest {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    object.insert("apiVersion".to_owned(), of.api_version().into());
    object.insert("kind".to_owned(), of.kind.into());
    object.insert("metadata".to_owned(), metadata);
    Value::Object(object)
}
