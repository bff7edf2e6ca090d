//! `k8s`: a projected service account token of the agent's pod.
//!
//! Kubernetes, "Configure Service Accounts for Pods", service account token volume projection; the claims below
//! `kubernetes.io` are those of bound tokens, with `node` from Kubernetes 1.30 on.

pub mod evidence;
mod review;
pub mod verify;

use carnet_core::{Error, Secret};
use carnet_kubernetes::{Named, ServiceAccount};
use carnet_trust::Refusal;
use serde::{Deserialize, Serialize};

use crate::{Kind, attested::refused, shown::exposed};

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

/// What a believed token says, whoever believed it: unlike others, an agent's must be bound to a pod on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    account: ServiceAccount,
    pod: Named,
    node: Named,
}

impl Bound {
    fn of(bound: carnet_kubernetes::Bound) -> Result<Self, Error> {
        let missing = |what: &str| {
            refused(Kind::K8s, "claims", format!("the token names no {what}"))
                .hint("the token must be a projected one, bound to a pod; its node is told from Kubernetes 1.30 on")
        };
        let pod = bound.pod.ok_or_else(|| missing("pod"))?;
        let node = bound.node.ok_or_else(|| missing("node"))?;
        Ok(Self { account: bound.account, pod, node })
    }
}

/// A token that is refused, in the words of this method.
fn not_believed(refusal: &Refusal) -> Error {
    refused(Kind::K8s, refusal.clause, format!("seen {}, wanted {}", refusal.seen, refusal.wanted))
        .hint(refusal.fix.clone())
}
