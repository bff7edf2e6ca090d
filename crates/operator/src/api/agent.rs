//! `Agent`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Bootstrap, Placement,
    authority::{carnet, kubernetes},
};

/// Where agents have their socket, on the node and in their pods.
pub(crate) const SOCKETS: &str = "/run/carnet/agent";
/// Where most kubelets keep what is theirs.
pub(crate) const KUBELET: &str = "/var/lib/kubelet";

/// The agents of the nodes: a DaemonSet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentSpec {
    /// The SPIFFE trust domain. It cannot be changed.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[a-z0-9._-]+$"))]
    pub trust_domain: String,
    /// The Authority of the same namespace. This or `authorityUrl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub authority: Option<String>,
    /// Where the authority's listener for nodes is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^https://[^?#@]+$"))]
    pub authority_url: Option<String>,
    /// What the authority calls this cluster.
    #[serde(default = "kubernetes")]
    #[schemars(length(min = 1, max = 63))]
    pub cluster: String,
    /// What the agent's tokens are for.
    #[serde(default = "carnet")]
    #[schemars(length(min = 1))]
    pub audience: String,
    /// How it first knows the authority.
    pub bootstrap: Bootstrap,
    /// The folder of the node with the socket of the Workload API. Others than `/run/carnet/agent` the operator must allow.
    #[serde(default = "sockets")]
    #[schemars(regex(pattern = "^/[^:]*[^/:]$"))]
    pub socket_directory: String,
    /// Whether the kubelet's certificate is not checked. Where its certificates are its own, nothing else works.
    #[serde(default)]
    pub skip_kubelet_verification: bool,
    /// What the agent must be allowed to ask its kubelet: `pods` since Kubernetes 1.33, `proxy` before.
    #[serde(default = "pods")]
    #[schemars(regex(pattern = "^(pods|proxy)$"))]
    pub kubelet_permission: String,
    /// The CSI driver beside the agent, by which pods mount the folder of the socket, read-only.
    #[serde(default)]
    pub csi: Csi,
    /// More of the section `[agent]` of the configuration. What the fields above say counts before it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// How the pods run.
    #[serde(default)]
    pub placement: Placement,
}

/// The CSI driver: two containers beside the agent, and the CSIDriver of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Csi {
    /// Whether there is one.
    #[serde(default)]
    pub enabled: bool,
    /// Its name in the cluster, and in volumes of pods.
    #[serde(default = "driver")]
    #[schemars(length(max = 63), regex(pattern = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub driver_name: String,
    /// The kubelet's folder on the node. Others than `/var/lib/kubelet` the operator must allow.
    #[serde(default = "kubelet")]
    #[schemars(regex(pattern = "^/[^:]*[^/:]$"))]
    pub kubelet_directory: String,
    /// `resources` of its container.
    #[serde(default = "driver_resources")]
    pub resources: Map<String, Value>,
    /// What tells the kubelet of it.
    #[serde(default)]
    pub registrar: CsiRegistrar,
}

impl Default for Csi {
    fn default() -> Self {
        Self {
            enabled: false,
            driver_name: driver(),
            kubelet_directory: kubelet(),
            resources: driver_resources(),
            registrar: CsiRegistrar::default(),
        }
    }
}

/// The `csi-node-driver-registrar` of Kubernetes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CsiRegistrar {
    /// Its image. By default the operator's `registrar_image`; others the operator must allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `resources` of its container.
    #[serde(default = "registrar_resources")]
    pub resources: Map<String, Value>,
}

impl Default for CsiRegistrar {
    fn default() -> Self {
        Self { image: None, resources: registrar_resources() }
    }
}

fn sockets() -> String {
    SOCKETS.to_owned()
}

fn pods() -> String {
    "pods".to_owned()
}

fn driver() -> String {
    "csi.spiffe.io".to_owned()
}

fn kubelet() -> String {
    KUBELET.to_owned()
}

fn driver_resources() -> Map<String, Value> {
    bounded("10m")
}

fn registrar_resources() -> Map<String, Value> {
    bounded("5m")
}

fn bounded(cpu: &str) -> Map<String, Value> {
    let requests = json!({ "cpu": cpu, "memory": "16Mi" });
    Map::from_iter([("requests".to_owned(), requests), ("limits".to_owned(), json!({ "memory": "64Mi" }))])
}
