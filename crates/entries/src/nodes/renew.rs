//! Being an agent, and staying one.

use std::collections::BTreeSet;

use carnet_attest::protocol::{AGENT_PREFIX, Refusal, RefusalCode};
use carnet_core::hex;
use carnet_spiffe::{BundleMap, Selector, SpiffeId, verify_x509_svid};
use carnet_store::{Commit, Committed, Conflict, NodeRow, Op};
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
    /// Its row.
    pub node: NodeRow,
}

impl Nodes {
    /// The agent of this certificate chain: one of ours, in time, known, not banned, and with a serial number that was not
    /// replaced.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub async fn authenticate(&self, chain: &[Vec<u8>], bundles: &BundleMap) -> Result<Agent, Refusal> {
        let again = |message: &str| Refusal::new(RefusalCode::MustAttest, message).hint("attest the node again");
        let id = verify_x509_svid(chain, bundles, self.parts.context.now())
            .map_err(|error| again(&format!("the agent's SVID is not believed: {error}")))?;
        if !id.is_of(&self.parts.trust_domain) || !id.path().starts_with(AGENT_PREFIX) {
            return Err(Refusal::new(RefusalCode::NotAuthorized, "this identity is not an agent's"));
        }
        let leaf = chain.first().map(Vec::as_slice).unwrap_or_default();
        let leaf = Certificate::from_der(leaf).map_err(|_unreadable| again("the agent's SVID cannot be read"))?;
        let serial = hex(leaf.serial());
        let node = self.store().node(id.to_string()).await.map_err(store_failed)?;
        let node = node.ok_or_else(|| again("this agent is not known"))?;
        if node.banned {
            return Err(banned());
        }
        if !has_serial(&node, &serial) {
            return Err(again("the agent's SVID has been replaced"));
        }
        let selectors = node.selectors.iter().filter_map(|selector| selector.parse().ok()).collect();
        Ok(Agent { id, selectors, serial, node })
    }

    /// A new SVID for an agent that has shown its current one. The one shown stays good until the new one is renewed in
    /// turn, so that an agent that the answer did not reach can ask again.
    ///
    /// # Errors
    /// [`RefusalCode::Banned`], or [`RefusalCode::MustAttest`] when the agent was deleted meanwhile.
    pub async fn renew(&self, agent: &Agent, csr: Vec<u8>, by: &By) -> Result<(Minted, NodeRow), Refusal> {
        let minted = self.mint_agent(&agent.id, csr, by).await?;
        let node = NodeRow {
            serial: format!("{} {}", agent.serial, minted.serial),
            expires_at: minted.expires_at,
            ..agent.node.clone()
        };
        let mut record = self.record(by, "node.renew", agent.id.as_str());
        record.token_id = Some(minted.serial.clone());
        record.expires_at = Some(minted.expires_at);
        let refused = Some(refusal(&record, "known", "banned or deleted"));
        // Deleting first makes sure that it is still there.
        let write = [Op::DeleteNode { id: node.id.clone() }, Op::InsertNode(node.clone())];
        let ops = unless_banned(agent.id.as_str()).into_iter().chain(write).collect();
        match self.store().commit(Commit { ops, audit: record, refused }).await.map_err(store_failed)? {
            Committed::Done { .. } => Ok((minted, node)),
            Committed::Conflict(Conflict { op, .. }) if op < BAN_OPS => Err(banned()),
            Committed::Conflict(_) => Err(Refusal::new(RefusalCode::MustAttest, "this agent is not known any more")),
        }
    }
}
