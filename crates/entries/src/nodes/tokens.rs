//! Join tokens.

use std::collections::BTreeSet;

use carnet_attest::{Kind, join_token, protocol::agent_id};
use carnet_core::{Error, Secret};
use carnet_spiffe::{Selector, SpiffeId};
use carnet_store::{Commit, Committed, JoinTokenRow, Op};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Nodes, attest::note_token};
use crate::{By, by::refusal};

/// Life of a token unless asked for (SPIRE's command line has the same).
const DEFAULT_TTL: SignedDuration = SignedDuration::from_secs(600);
/// Longest life.
const MAX_TTL: SignedDuration = SignedDuration::from_hours(24 * 7);
/// Most selectors of one token.
const MAX_SELECTORS: usize = 64;

/// A token as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinTokenDraft {
    /// Name that the agent gets, one or more segments: `web/1` makes `…/carnet/agent/join-token/web/1`. A second token of
    /// the same name takes the place of the first agent. Default: a name of its own.
    pub agent_path: Option<String>,
    /// How long the token is good for. Default: ten minutes; at most seven days.
    pub ttl: Option<SignedDuration>,
    /// What the node is said to be, so that groups of nodes may hold it.
    pub selectors: BTreeSet<Selector>,
}

/// A token that was made. The text is not kept anywhere.
#[derive(Clone, Debug)]
pub struct JoinToken {
    /// What the agent shows.
    pub token: Secret,
    /// When it is of no use any more.
    pub expires_at: Timestamp,
    /// The identity that the agent will have.
    pub agent: SpiffeId,
}

impl Nodes {
    /// Makes a join token.
    ///
    /// # Errors
    /// When the name cannot stand in an identity, or the life is too long; those of the store.
    pub async fn create_join_token(&self, draft: JoinTokenDraft, by: &By) -> Result<JoinToken, Error> {
        let mistake = |what: String| Error::configuration(format!("make a join token: {what}"));
        let ttl = draft.ttl.unwrap_or(DEFAULT_TTL);
        if ttl < SignedDuration::from_secs(1) || ttl > MAX_TTL {
            return Err(mistake(format!("it must live between a second and {MAX_TTL:#}")));
        }
        if draft.selectors.len() > MAX_SELECTORS {
            return Err(mistake(format!("it has more than {MAX_SELECTORS} selectors")));
        }
        let token = join_token::generate(&self.parts.context);
        let hash = join_token::hash(&token);
        let path = match &draft.agent_path {
            Some(path) => format!("{}/{path}", Kind::JoinToken),
            None => join_token::verify::agent_path(&hash)?,
        };
        let agent = agent_id(&self.parts.trust_domain, &path)
            .map_err(|error| mistake("the name of the agent cannot stand in an identity".to_owned()).because(error))?;
        let now = self.parts.context.now();
        let expires_at = now.saturating_add(ttl).unwrap_or(Timestamp::MAX);
        let row = JoinTokenRow {
            hash,
            agent_path: draft.agent_path,
            expires_at,
            selectors: draft.selectors.iter().map(ToString::to_string).collect(),
        };
        let mut record = self.record(by, "join-token.create", agent.as_str());
        record.expires_at = Some(expires_at);
        record.details.insert("selectors".to_owned(), json!(row.selectors));
        note_token(&mut record, Some(hash));
        let refused = Some(refusal(&record, "conflict", "there is such a token already"));
        let commit = Commit { ops: vec![Op::CreateJoinToken(row)], audit: record, refused };
        match self.store().commit(commit).await? {
            Committed::Done { .. } => Ok(JoinToken { token, expires_at, agent }),
            Committed::Conflict(_) => Err(Error::internal("the same join token was made twice")),
        }
    }

    /// The tokens that are still good, by their digests.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn join_tokens(&self) -> Result<Vec<JoinTokenRow>, Error> {
        Ok(self.store().join_tokens(self.parts.context.now()).await?)
    }

    /// Takes a token away before it is used.
    ///
    /// # Errors
    /// When there is no such token; those of the store.
    pub async fn delete_join_token(&self, hash: [u8; 32], by: &By) -> Result<(), Error> {
        let mut record = self.record(by, "join-token.delete", "");
        note_token(&mut record, Some(hash));
        let refused = Some(refusal(&record, "known", "there is no such token"));
        let commit = Commit { ops: vec![Op::DeleteJoinToken { hash }], audit: record, refused };
        match self.store().commit(commit).await? {
            Committed::Done { .. } => Ok(()),
            Committed::Conflict(_) => Err(Error::configuration("there is no such join token").clause("not-found")),
        }
    }
}
