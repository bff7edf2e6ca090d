//! `DiscoveryProvider`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Exposure, KeyRef, Placement};

/// The OIDC discovery documents of a trust domain: a Deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverySpec {
    /// Whose keys are published. It cannot be changed.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[a-z0-9._-]+$"))]
    pub trust_domain: String,
    /// `iss` of the tokens, byte for byte.
    #[schemars(regex(pattern = "^https://[^?#@]*[^/?#@]$"))]
    pub issuer: String,
    /// More host names that the documents are given out for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// How many pods.
    #[serde(default = "two")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: u32,
    /// Where the keys come from: one of these. By default the Workload API by the CSI driver.
    #[serde(default)]
    pub source: DiscoverySource,
    /// A Secret of the type `kubernetes.io/tls` that the pods serve TLS with. Without it something in front does TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret: Option<String>,
    /// How it is reached from outside the cluster.
    #[serde(default)]
    pub exposure: Exposure,
    /// More of the section `[discovery]` of the configuration. What the fields above say counts before it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// How the pods run.
    #[serde(default)]
    pub placement: Placement,
}

/// Where the keys come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverySource {
    /// The Workload API of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_api: Option<WorkloadApi>,
    /// A SPIFFE bundle endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_endpoint: Option<BundleEndpoint>,
    /// A ConfigMap with a SPIFFE bundle document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<KeyRef>,
}

/// The Workload API as a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadApi {
    /// The CSI driver that mounts the folder of the socket.
    #[serde(default = "driver")]
    pub driver: String,
    /// The socket in it.
    #[serde(default = "socket")]
    pub socket: String,
}

impl Default for WorkloadApi {
    fn default() -> Self {
        Self { driver: driver(), socket: socket() }
    }
}

/// A bundle endpoint as a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BundleEndpoint {
    /// Where it is.
    #[schemars(regex(pattern = "^https://[^?#@]+$"))]
    pub url: String,
    /// Its SPIFFE ID, where it proves itself by that. Then `bootstrap` is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spiffe_id: Option<String>,
    /// The ConfigMap with the bundle that is believed at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<KeyRef>,
}

const fn two() -> u32 {
    2
}

fn driver() -> String {
    "csi.spiffe.io".to_owned()
}

fn socket() -> String {
    "api.sock".to_owned()
}
