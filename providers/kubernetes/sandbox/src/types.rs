//! Which resources there are: those that are built in, and those that definitions make.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    cluster::Cluster,
    store::{Key, Objects},
};

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) kind: String,
    pub(crate) namespaced: bool,
    /// Whether `status` is a part of its own.
    pub(crate) status: bool,
    /// Whether changes of anything but metadata and status count up `metadata.generation`.
    pub(crate) generation: bool,
    /// The schema of a definition. Built-in kinds are taken as they come.
    pub(crate) schema: Option<Schema>,
}

/// The schema of one version of a definition. It stays where it is, for it is long, and asked for at every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    definition: Arc<Value>,
    /// Which of its versions.
    index: usize,
}

impl Schema {
    pub(crate) fn get(&self) -> &Value {
        static NOTHING: Value = Value::Null;
        let version = self.definition.pointer("/spec/versions").and_then(|all| all.get(self.index));
        version.and_then(|version| version.pointer("/schema/openAPIV3Schema")).unwrap_or(&NOTHING)
    }
}

impl Resource {
    /// `PLURAL.GROUP`, which is what objects are kept under, and what messages say.
    pub(crate) fn full(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// As in `apiVersion`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// As in a list of resources.
    pub(crate) fn listed(&self) -> Vec<Value> {
        let verbs = ["create", "delete", "get", "list", "patch", "update", "watch"];
        let singular = self.kind.to_ascii_lowercase();
        let mut all = vec![serde_json::json!({
            "name": self.plural, "singularName": singular, "namespaced": self.namespaced, "kind": self.kind, "verbs": verbs,
        })];
        if self.status {
            all.push(serde_json::json!({
                "name": format!("{}/status", self.plural), "singularName": "", "namespaced": self.namespaced, "kind": self.kind,
                "verbs": ["get", "patch", "update"],
            }));
        }
        all
    }
}

/// Group, version, plural, kind; then `n` for those in namespaces, `s` for those with a status of their own, `g` for those with a generation.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

const BUILT_IN: &[Row] = &[
    ("", "v1", "configmaps", "ConfigMap", "n"),
    ("", "v1", "events", "Event", "n"),
    ("", "v1", "namespaces", "Namespace", "s"),
    ("", "v1", "nodes", "Node", "s"),
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "ns"),
    ("", "v1", "pods", "Pod", "ns"),
    ("", "v1", "secrets", "Secret", "n"),
    ("", "v1", "serviceaccounts", "ServiceAccount", "n"),
    ("", "v1", "services", "Service", "ns"),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", "sg"),
    ("apps", "v1", "daemonsets", "DaemonSet", "nsg"),
    ("apps", "v1", "deployments", "Deployment", "nsg"),
    ("apps", "v1", "statefulsets", "StatefulSet", "nsg"),
    ("coordination.k8s.io", "v1", "leases", "Lease", "n"),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", "nsg"),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "nsg"),
    ("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", ""),
    ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", ""),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", "n"),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", "n"),
    ("route.openshift.io", "v1", "routes", "Route", "nsg"),
    ("storage.k8s.io", "v1", "csidrivers", "CSIDriver", ""),
];

/// What only OpenShift has. Of the emulated clusters that is `prod`.
const OPENSHIFT: &str = "route.openshift.io";

/// The resource of this group, version and plural.
pub(crate) fn find(cluster: &Cluster, objects: &Objects, group: &str, version: &str, plural: &str) -> Option<Resource> {
    let is = |one: &Resource| one.group == group && one.version == version && one.plural == plural;
    let built_in = there(cluster).find(|one| (one.0, one.1, one.2) == (group, version, plural)).map(of_row);
    let definition = || objects.find(&Key::new(DEFINITIONS, "", &format!("{plural}.{group}")));
    built_in.or_else(|| of_definition(definition()?).find(is))
}

/// All of them.
pub(crate) fn all(cluster: &Cluster, objects: &Objects) -> Vec<Resource> {
    let defined = objects.of(DEFINITIONS, None).flat_map(|(_, definition)| of_definition(definition));
    there(cluster).map(of_row).chain(defined).collect()
}

/// The rows of what is built into this cluster.
fn there(cluster: &Cluster) -> impl Iterator<Item = &'static Row> {
    BUILT_IN.iter().filter(|(group, ..)| *group != OPENSHIFT || cluster.seed.name == "prod")
}

fn of_row(&(group, version, plural, kind, is): &Row) -> Resource {
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        kind: kind.to_owned(),
        namespaced: is.contains('n'),
        status: is.contains('s'),
        generation: is.contains('g'),
        schema: None,
    }
}

/// Where definitions are kept.
pub(crate) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// What a definition makes: a resource for each version that is served.
fn of_definition(definition: &Arc<Value>) -> impl Iterator<Item = Resource> {
    let text = |path: &str| definition.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    let served = versions.into_iter().flatten().enumerate();
    served.filter(|(_, version)| version.get("served") == Some(&Value::Bool(true))).map(move |(index, version)| {
        Resource {
            group: text("/spec/group"),
            version: version.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            plural: text("/spec/names/plural"),
            kind: text("/spec/names/kind"),
            namespaced: text("/spec/scope") == "Namespaced",
            status: version.pointer("/subresources/status").is_some(),
            generation: true,
            schema: Some(Schema { definition: Arc::clone(definition), index }),
        }
    })
}
