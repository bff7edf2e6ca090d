//! `RegistrationEntry` and `ClusterRegistrationEntry`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which workloads get which identity. A RegistrationEntry is for pods of its own namespace; its identity stands below `/ns/NAMESPACE`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntrySpec {
    /// The identity given; whole segments may be filled from the pod, for instance `spiffe://example.org/ns/{k8s:ns}/sa/{k8s:sa}`.
    #[schemars(length(max = 2048), regex(pattern = "^spiffe://[a-z0-9._-]+/.+$"))]
    pub spiffe_id: String,
    /// The agent, or the group of agents, whose workloads it is for. By default the operator's `parent_id`. Not in a RegistrationEntry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = "^spiffe://[a-z0-9._-]+/.+$"))]
    pub parent_id: Option<String>,
    /// Which pods.
    #[serde(default)]
    pub pods: PodSelector,
    /// More selectors that must all be found, for instance `unix:uid:1000`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub selectors: BTreeSet<String>,
    /// Life of X509-SVIDs in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub x509_ttl_seconds: Option<u32>,
    /// Life of JWT-SVIDs in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub jwt_ttl_seconds: Option<u32>,
    /// Foreign domains whose bundles the workload gets. Not in a RegistrationEntry.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub federates_with: BTreeSet<String>,
    /// DNS names in X509-SVIDs. In a RegistrationEntry those of services of its namespace, `NAME.NAMESPACE.svc` and `NAME.NAMESPACE.svc.DOMAIN`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 253)))]
    pub dns_names: Vec<String>,
    /// The label that the workload gets with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub hint: Option<String>,
    /// Whether it may use the admin API. Not in a RegistrationEntry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
    /// From when it does not count any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9]{4}-.*(Z|[+-][0-9:]+)$"))]
    pub expires_at: Option<Timestamp>,
    /// Further claims of JWT-SVIDs. Not in a RegistrationEntry.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub jwt_claims: Map<String, Value>,
    /// Whether JWT-SVIDs get a `jti`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_jti: bool,
}

/// Which pods. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSelector {
    /// Their namespace. In a RegistrationEntry it is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Their service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account: Option<String>,
    /// Their labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The name of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
}

impl PodSelector {
    /// As selectors of an agent on Kubernetes.
    pub(crate) fn selectors(&self) -> BTreeSet<String> {
        let part = |name: &str, value: Option<&String>| value.map(|value| format!("k8s:{name}:{value}"));
        let labels = self.labels.iter().map(|(name, value)| format!("k8s:pod-label:{name}:{value}"));
        let rest = [
            part("ns", self.namespace.as_ref()),
            part("sa", self.service_account.as_ref()),
            part("container-name", self.container.as_ref()),
        ];
        labels.chain(rest.into_iter().flatten()).collect()
    }
}
