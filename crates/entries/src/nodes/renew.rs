//! Being an agent, and staying one.

use std::{collections::BTreeSet, sync::Arc};

use carnet_attest::protocol::{AGENT_PREFIX, Refusal, RefusalCode};
use carnet_core::hex;
use carnet_spiffe::{Bundle, Selector, SpiffeId};
use carnet_store::{Commit, Committed, Conflict, ConflictReason, NodeRow, Op};
use carnet_x509::Certificate;

use super::{BAN_OPS, Nodes, banned, has_serial, store_failed, unless_banned};
use crate::{By, Minted, by::refusal};

/// An agent that has shown its current SVID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its identity.
    pub id: SpiffeId,
    /// What its attestation found.
    pub selectors: BTreeSet<Selector>,
    /// Serial number of the SVID it showed, lower-case hexadecimal.
    pub serial: String,
}

/// Why somebody is no agent, or none any more.
#[derive(Debug)]
pub(crate) struct Denied {
    /// What did not hold, for the audit: `certificate`, `unknown`, `banned` or `replaced`. None when it could not be looked at.
    pub(crate) clause: Option<&'static str>,
    /// Who it is, where that was proven.
    pub(crate) who: Option<SpiffeId>,
    /// What the caller is told.
    pub(crate) refusal: Refusal,
}

impl Denied {
    fn by(clause: &'static str, refusal: Refusal) -> Self {
        Self { clause: Some(clause), who: None, refusal }
    }

    /// Of somebody who shows nothing.
    pub(crate) fn without_certificate() -> Self {
        let message = "this call needs the agent's SVID as its client certificate";
        Self::by("certificate", Refusal::new(RefusalCode::MustAttest, message))
    }

    fn of(self, who: &SpiffeId) -> Self {
        Self { who: Some(who.clone()), ..self }
    }
}

/// The store could not be asked.
impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self { clause: None, who: None, refusal }
    }
}

impl Nodes {
    /// The agent of this certificate chain: one of ours, in time, known, not banned, and with a serial number that was not
    /// replaced.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub async fn authenticate(&self, chain: &[Vec<u8>], bundle: &Arc<Bundle>) -> Result<Agent, Refusal> {
        self.look_at(chain, bundle).await.map_err(|denied| denied.refusal)
    }

    /// [`Self::authenticate`], with what the audit is to say of a refusal.
    pub(crate) async fn look_at(&self, chain: &[Vec<u8>], bundle: &Arc<Bundle>) -> Result<Agent, Denied> {
        let wrong = |message: &str| Denied::by("certificate", again(message));
        let id = self
            .chains
            .verify(chain, bundle, self.parts.context.now())
            .map_err(|error| wrong(&format!("the agent's SVID is not believed: {error}")))?;
        if !id.is_of(&self.parts.trust_domain) || !id.path().starts_with(AGENT_PREFIX) {
            let refusal = Refusal::new(RefusalCode::NotAuthorized, "this identity is not an agent's");
            return Err(Denied::by("certificate", refusal).of(&id));
        }
        let leaf = chain.first().map(Vec::as_slice).unwrap_or_default();
        let leaf =
            Certificate::from_der(leaf).map_err(|_unreadable| wrong("the agent's SVID cannot be read").of(&id))?;
        let serial = hex(leaf.serial());
        let node = self.known.node(self.store(), id.as_str()).await?;
        let node = current(node, &serial).map_err(|denied| denied.of(&id))?;
        let selectors = node.selectors.iter().filter_map(|selector| selector.parse().ok()).collect();
        Ok(Agent { id, selectors, serial })
    }

    /// A new SVID for an agent that has shown its current one. The one shown stays good until the new one is renewed in
    /// turn, so that an agent that the answer did not reach can ask again.
    ///
    /// # Errors
    /// [`RefusalCode::Banned`], [`RefusalCode::MustAttest`] when the agent was deleted or has attested again, and
    /// [`RefusalCode::Unavailable`] when something else has changed it meanwhile.
    pub async fn renew(&self, agent: &Agent, csr: Vec<u8>, by: &By) -> Result<(Minted, NodeRow), Refusal> {
        let known = self.store().node(agent.id.to_string()).await.map_err(store_failed)?.map(Arc::new);
        let known = match current(known, &agent.serial) {
            Ok(known) => known,
            Err(Denied { clause, refusal: told, .. }) => {
                let record = self.record(by, "node.renew", agent.id.as_str());
                let record = refusal(&record, clause.unwrap_or("known"), &told.message);
                self.parts.mint.refused(record, Vec::new()).await;
                return Err(told);
            }
        };
        let (minted, issued) = self.mint_agent(&agent.id, csr, by).await?;
        let node = NodeRow {
            serial: format!("{} {}", agent.serial, minted.serial),
            expires_at: minted.expires_at,
            ..NodeRow::clone(&known)
        };
        let mut record = self.record(by, "node.renew", agent.id.as_str());
        let refused = Some(refusal(&record, "known", "banned, deleted, or changed meanwhile"));
        record.token_id = Some(minted.serial.clone());
        record.expires_at = Some(minted.expires_at);
        // What it was when it was read, or nothing: who attests or renews at the same time loses nothing to this.
        let write = [Op::UpdateNode { row: node.clone(), expect: known.revision }, Op::Audit(Box::new(issued))];
        let ops = unless_banned(agent.id.as_str()).into_iter().chain(write).collect();
        match self.store().commit(Commit { ops, audit: record, refused }).await.map_err(store_failed)? {
            Committed::Done { .. } => {
                self.known.forget();
                Ok((minted, node))
            }
            Committed::Conflict(Conflict { op, .. }) if op < BAN_OPS => Err(banned()),
            Committed::Conflict(Conflict { reason: ConflictReason::Stale, .. }) => {
                Err(Refusal::new(RefusalCode::Unavailable, "the agent has attested or renewed at the same time")
                    .hint("ask again"))
            }
            Committed::Conflict(_) => Err(again("this agent is not known any more")),
        }
    }
}

fn again(message: &str) -> Refusal {
    Refusal::new(RefusalCode::MustAttest, message).hint("attest the node again")
}

/// The row, when whoever shows this serial number may go by it.
fn current(node: Option<Arc<NodeRow>>, serial: &str) -> Result<Arc<NodeRow>, Denied> {
    let node = node.ok_or_else(|| Denied::by("unknown", again("this agent is not known")))?;
    if node.banned {
        return Err(Denied::by("banned", banned()));
    }
    if !has_serial(&node, serial) {
        return Err(Denied::by("replaced", again("the agent's SVID has been replaced")));
    }
    Ok(node)
}
