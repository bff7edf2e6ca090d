//! Pools and providers as they are configured.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether a resource is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// It is there.
    #[default]
    Active,
    /// It was deleted, and can be brought back until it is purged.
    Deleted,
}

/// A workload identity pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// A name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it is switched off; its tokens then stop working until it is switched on again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Whether it is there.
    #[serde(default)]
    pub state: State,
    /// When it will be purged, if it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_time: Option<Timestamp>,
}

/// A provider of a pool, of the OIDC kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// A name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it is switched off: no new exchanges, but tokens that were given go on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Whether it is there.
    #[serde(default)]
    pub state: State,
    /// When it will be purged, if it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_time: Option<Timestamp>,
    /// From `google.subject`, `google.groups` and `attribute.NAME` to CEL over `assertion`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attribute_mapping: BTreeMap<String, String>,
    /// CEL over `assertion`, `google` and `attribute` that must be true.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub attribute_condition: String,
    /// The issuer.
    #[serde(default)]
    pub oidc: Oidc,
}

/// The issuer of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Oidc {
    /// What `iss` must be, character by character.
    #[serde(default)]
    pub issuer_uri: String,
    /// What `aud` may be. Empty: the provider's own name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_audiences: Vec<String>,
    /// The uploaded key set; without it, keys are discovered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_json: Option<String>,
    /// Where the discovery document is, if not below the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery_uri: Option<String>,
}
