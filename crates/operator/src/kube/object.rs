//! Objects as JSON, with what every one of them has.

use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use serde_json::{Map, Value};

use crate::api::Resource;

/// Where an object is. The namespace is empty for those of the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Of the metadata of an object.
    pub(crate) fn of(object: &Value) -> Self {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        Self::new(text("/metadata/namespace"), text("/metadata/name"))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// An object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object(pub(crate) Value);

impl Object {
    /// An element of a list, whose kind stands at the list only, without what nobody here reads.
    pub(crate) fn listed(mut object: Value, of: &Resource) -> Self {
        if let Some(members) = object.as_object_mut() {
            members.entry("apiVersion").or_insert_with(|| of.api_version().into());
            members.entry("kind").or_insert_with(|| of.kind.into());
        }
        Self(object).lean()
    }

    /// Without what nobody here reads and what is the largest part of many objects.
    pub(crate) fn lean(mut self) -> Self {
        if let Some(metadata) = self.0.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        self
    }

    pub(crate) fn key(&self) -> Key {
        Key::of(&self.0)
    }

    fn metadata(&self, name: &str) -> Option<&Value> {
        self.0.get("metadata")?.get(name)
    }

    fn text(&self, name: &str) -> &str {
        self.metadata(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn uid(&self) -> &str {
        self.text("uid")
    }

    pub(crate) fn version(&self) -> &str {
        self.text("resourceVersion")
    }

    pub(crate) fn generation(&self) -> i64 {
        self.metadata("generation").and_then(Value::as_i64).unwrap_or_default()
    }

    /// Whether somebody has asked for its end.
    pub(crate) fn is_leaving(&self) -> bool {
        !self.text("deletionTimestamp").is_empty()
    }

    pub(crate) fn finalizers(&self) -> Vec<&str> {
        let all = self.metadata("finalizers").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).collect()
    }

    /// The UID of the object that made it.
    pub(crate) fn controller(&self) -> Option<&str> {
        let owners = self.metadata("ownerReferences").and_then(Value::as_array)?;
        let owner = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
        owner.get("uid").and_then(Value::as_str)
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.metadata("labels")?.get(name)?.as_str()
    }

    pub(crate) fn spec(&self) -> &Value {
        self.0.get("spec").unwrap_or(&Value::Null)
    }

    pub(crate) fn status(&self) -> &Value {
        self.0.get("status").unwrap_or(&Value::Null)
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata("annotations")?.get(name)?.as_str()
    }

    /// What changes whenever something other than its status does. A custom resource has a new generation for each change of its spec ("Extend the Kubernetes
    /// API with CustomResourceDefinitions", status subresource).
    pub(crate) fn stamp(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let metadata = self.0.get("metadata").and_then(Value::as_object).into_iter().flatten();
        for (name, value) in metadata.filter(|(name, _)| !matches!(name.as_str(), "resourceVersion" | "managedFields"))
        {
            (name, value).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// A condition of its status.
    pub(crate) fn condition(&self, kind: &str) -> Option<&Map<String, Value>> {
        let all = self.status().get("conditions").and_then(Value::as_array)?;
        all.iter().find(|one| one.get("type").and_then(Value::as_str) == Some(kind))?.as_object()
    }
}
