//! Nodes: who may serve workloads.

mod admin;
mod attempt;
mod attest;
mod known;
mod renew;
mod tokens;
mod turned_away;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use carnet_attest::{
    Attestors,
    protocol::{Refusal, RefusalCode, agent_id},
};
use carnet_core::{Context, Error, ErrorKind};
use carnet_spiffe::{SpiffeId, TrustDomain, VerifiedChains};
use carnet_store::{AuditRecord, Expect, NodeRow, ObjectKind, Op, Store, StoreError};
use jiff::SignedDuration;

use crate::{By, Mint};
use known::Known;
use turned_away::TurnedAway;

pub use renew::Agent;
pub(crate) use renew::Denied;
pub use tokens::{JoinToken, JoinTokenDraft};

/// Most chains of agents that are remembered as verified.
const MOST_CHAINS: usize = 20_000;

/// What [`Nodes`] are made of.
#[derive(Clone, Debug)]
pub struct NodesParts {
    /// Where they are kept.
    pub store: Arc<dyn Store>,
    /// Time and randomness.
    pub context: Context,
    /// Whose agents they are.
    pub trust_domain: TrustDomain,
    /// What issues their SVIDs.
    pub mint: Arc<dyn Mint>,
    /// The methods.
    pub attestors: Arc<Attestors>,
    /// Life of agents' SVIDs; the issuer's default when absent.
    pub agent_ttl: Option<SignedDuration>,
}

/// The nodes of a trust domain: attested, renewed, turned away. Every change is one commit with its audit row.
pub struct Nodes {
    parts: NodesParts,
    attestors: RwLock<Arc<Attestors>>,
    chains: VerifiedChains,
    known: Known,
    /// So that an agent that waits is told of its ban at once.
    turned_away: TurnedAway,
    /// With which attempts are made so that any authority on the same store knows them.
    attempt_key: [u8; 32],
    used_attempts: attempt::UsedAttempts,
}

impl Nodes {
    /// Finds or makes the key for attempts, which all authorities on one store share.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn open(parts: NodesParts) -> Result<Arc<Self>, Error> {
        let attempt_key = attempt::shared_key(&*parts.store, &parts.context).await?;
        Ok(Arc::new(Self {
            attestors: RwLock::new(Arc::clone(&parts.attestors)),
            chains: VerifiedChains::new(MOST_CHAINS),
            known: Known::of(&*parts.store),
            turned_away: TurnedAway::of(&*parts.store).await?,
            attempt_key,
            used_attempts: attempt::UsedAttempts::default(),
            parts,
        }))
    }

    /// Replaces the methods, when their configuration has changed.
    pub fn set_attestors(&self, attestors: Arc<Attestors>) {
        *self.attestors.write().unwrap_or_else(PoisonError::into_inner) = attestors;
    }

    /// Whose agents they are.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.parts.trust_domain
    }

    fn attestors(&self) -> Arc<Attestors> {
        Arc::clone(&self.attestors.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn store(&self) -> &dyn Store {
        &*self.parts.store
    }

    fn agent(&self, path: &str) -> Result<SpiffeId, Refusal> {
        agent_id(&self.parts.trust_domain, path)
            .map_err(|error| Refusal::new(RefusalCode::NotAttested, format!("the agent's identity: {error}")))
    }

    fn record(&self, by: &By, action: &str, agent: &str) -> AuditRecord {
        by.record(self.parts.context.now(), action, agent)
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes").field("trust_domain", &self.parts.trust_domain).finish_non_exhaustive()
    }
}

/// A ban is an object of its own beside the node's row, so that a commit can make sure that there is none.
fn ban_name(agent: &str) -> String {
    format!("node-ban/{agent}")
}

/// Effects that conflict, first of all, when the agent is banned, and do nothing else.
fn unless_banned(agent: &str) -> [Op; 2] {
    let (kind, name) = (ObjectKind::Setting, ban_name(agent));
    [
        Op::PutObject { kind, name: name.clone(), body: serde_json::Value::Null, expect: Expect::Absent },
        Op::DeleteObject { kind, name },
    ]
}

/// Number of effects of [`unless_banned`].
const BAN_OPS: usize = 2;

fn banned() -> Refusal {
    Refusal::new(RefusalCode::Banned, "this agent has been banned").hint("an operator can lift the ban")
}

/// The serial numbers that a node's SVID may have: that of the SVID it renewed last, and that of the one it then got. Which of
/// them it has depends on whether the answer has reached it.
fn has_serial(node: &NodeRow, serial: &str) -> bool {
    !serial.is_empty() && node.serial.split(' ').any(|known| known == serial)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that map_err calls")]
fn store_failed(error: StoreError) -> Refusal {
    tracing::error!(%error, "the store has failed");
    unavailable()
}

pub(crate) fn unavailable() -> Refusal {
    Refusal::new(RefusalCode::Unavailable, "the authority cannot answer now").hint("try again in a moment")
}

/// What an agent is told of an error: the reason when it is about its request, else only that it cannot be done now.
pub(crate) fn told(error: &Error, code: RefusalCode) -> Refusal {
    match error.kind() {
        ErrorKind::Refused | ErrorKind::Policy | ErrorKind::Expired => {
            let refusal = Refusal::new(code, carnet_core::safe_text(&carnet_core::chain(error).join(": ")));
            match error.hints().first() {
                Some(hint) => refusal.hint(*hint),
                None => refusal,
            }
        }
        _ => {
            tracing::error!(error = %carnet_core::chain(error).join(": "), "an agent is turned away");
            unavailable()
        }
    }
}
