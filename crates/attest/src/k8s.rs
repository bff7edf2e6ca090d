//! `k8s`: a projected service account token of the agent's pod.
//!
//! Kubernetes, "Configure Service Accounts for Pods", service account token volume projection; the claims below
//! `kubernetes.io` are those of bound tokens, with `node` from Kubernetes 1.30 on.

pub mod evidence;
mod review;
pub mod verify;

use carnet_core::Secret;
use serde::{Deserialize, Serialize};

use crate::shown::exposed;

/// The evidence.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The cluster by the name that the authority has for it.
    pub cluster: String,
    /// The token.
    #[serde(serialize_with = "exposed")]
    pub token: Secret,
}

/// What a believed token says, whoever believed it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    namespace: String,
    service_account: String,
    pod: Named,
    node: Named,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Named {
    name: String,
    uid: String,
}
