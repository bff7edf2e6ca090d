//! Agents, who are believed as long as they are known: their SVIDs cannot be taken back, but they can be banned.

use super::{Proof, Unproved, own::unreadable};
use crate::Issuer;

/// What the paths of agents begin with.
const AGENTS: &str = "/carnet/agent/";

impl Issuer {
    /// Whether whoever was proved is no agent of ours that was banned or forgotten.
    ///
    /// # Errors
    /// Clause `node`; clause `store`, `later`, when the store cannot be read.
    pub(crate) async fn check_agent(&self, proof: &Proof) -> Result<(), Unproved> {
        let own = self.trust_domain().id();
        let path = proof.subject.strip_prefix(own.as_str()).filter(|_| proof.issuer == own.as_str());
        if !path.is_some_and(|path| path.starts_with(AGENTS)) {
            return Ok(());
        }
        let node = self.store().node(proof.subject.clone()).await.map_err(|error| unreadable(&error))?;
        let seen = match node {
            Some(node) if !node.banned => return Ok(()),
            Some(_) => "an agent that was banned",
            None => "an agent that is not known",
        };
        let unproved =
            Unproved::new("node", seen, "an agent that is attested", "let the agent attest again, if it may");
        Err(Unproved { issuer: proof.issuer.clone(), subject: proof.subject.clone(), ..unproved })
    }
}
