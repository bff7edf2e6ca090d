//! `Agent`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Bootstrap, Placement,
    authority::{carnet, kubernetes},
};

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
    /// The folder of the node with the socket of the Workload API.
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
    /// More of the section `[agent]` of the configuration. What the fields above say counts before it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// How the pods run.
    #[serde(default)]
    pub placement: Placement,
}

fn sockets() -> String {
    "/run/carnet/agent".to_owned()
}

fn pods() -> String {
    "pods".to_owned()
}
