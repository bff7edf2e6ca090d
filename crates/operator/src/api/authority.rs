//! `Authority`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Exposure, KeyRef, Placement};

/// An authority: a StatefulSet with SQLite on a volume, or with PostgreSQL as many replicas as are wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthoritySpec {
    /// The SPIFFE trust domain. It cannot be changed.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[a-z0-9._-]+$"))]
    pub trust_domain: String,
    /// What stands in `iss` and where the discovery documents are: `https://HOST`, without a slash at the end.
    #[schemars(regex(pattern = "^https://[^?#@]*[^/?#@]$"))]
    pub issuer: String,
    /// How many pods. More than one needs PostgreSQL.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: u32,
    /// Where it remembers.
    #[serde(default)]
    pub store: Store,
    /// The passphrase that the signing keys are sealed with. Without it a key is made on the volume; with PostgreSQL it is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal_secret: Option<KeyRef>,
    /// A Secret of the type `kubernetes.io/tls` for the public listener. Without it something in front does TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret: Option<String>,
    /// Addresses and networks of proxies that are believed about whom they speak for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<String>,
    /// What this cluster is called in selectors of nodes.
    #[serde(default = "kubernetes")]
    #[schemars(length(min = 1, max = 63))]
    pub cluster: String,
    /// Accounts whose pods may be agents, each `NAMESPACE:NAME`. Without any, no node of this cluster gets in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<String>,
    /// What tokens of agents must be for.
    #[serde(default = "carnet")]
    #[schemars(length(min = 1))]
    pub agent_audience: String,
    /// Whether RegistrationEntries, ClusterRegistrationEntries and TrustRules of this cluster are this authority's: a container beside each of its pods
    /// keeps them true over the authority's own socket.
    #[serde(default)]
    pub registers: bool,
    /// How it is reached from outside the cluster.
    #[serde(default)]
    pub exposure: Exposure,
    /// More of the section `[authority]` of the configuration. What the fields above say counts before it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// How the pods run.
    #[serde(default)]
    pub placement: Placement,
}

/// Where an authority remembers: PostgreSQL, otherwise SQLite on a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// A database of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Postgres>,
    /// The volume for SQLite.
    #[serde(default)]
    pub volume: Volume,
}

/// PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Postgres {
    /// `postgres://USER@HOST/DATABASE`, without a password.
    #[schemars(regex(pattern = "^postgres(ql)?://[^:@/]+@[^@]+$"))]
    pub url: String,
    /// Its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<KeyRef>,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Its size.
    #[serde(default = "gibibyte")]
    #[schemars(regex(pattern = "^[0-9]+(Mi|Gi|Ti|M|G|T)$"))]
    pub size: String,
    /// Its class. By default the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
}

impl Default for Volume {
    fn default() -> Self {
        Self { size: gibibyte(), storage_class_name: None }
    }
}

const fn one() -> u32 {
    1
}

pub(super) fn kubernetes() -> String {
    "kubernetes".to_owned()
}

pub(super) fn carnet() -> String {
    "carnet".to_owned()
}

fn gibibyte() -> String {
    "1Gi".to_owned()
}
