//! What an agent serves.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Registration;

/// Query of [`super::paths::UPDATES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdatesQuery {
    /// The revision that the agent has; 0 when it has none.
    #[serde(default)]
    pub revision: u64,
    /// How long to wait for a newer one, in seconds; at most [`super::MAX_WAIT`].
    #[serde(default)]
    pub wait: u32,
}

/// All that the agent may serve. It is whole each time: what is not in it is gone. When nothing has changed within the
/// time, `revision` is the one that was asked with and there is nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Updates {
    /// Differs from the one that was asked with when anything has changed. It says nothing else: neither that it grows, nor
    /// that two authorities count alike.
    pub revision: u64,
    /// The state, or nothing when the revision is the one that the agent has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}

/// See [`Updates`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The entries of this agent's workloads.
    pub entries: Vec<Registration>,
    /// Bundles of the own and the federated domains (`{"trust_domains": {NAME: BUNDLE}}`): what
    /// [`carnet_spiffe::BundleMap::parse`] reads.
    pub bundles: Value,
    /// Authorities of the own domain that are not to be relied on any more: subject key identifiers of their certificates, lower-case
    /// hexadecimal. What stands below one, the agent's own SVID among it, is replaced at once; the bundle has the authority
    /// until it is revoked, because peers of other agents may still show what it signed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tainted: BTreeSet<String>,
}
