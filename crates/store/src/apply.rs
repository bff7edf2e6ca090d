//! Commits, group by group, on whichever database.

mod clock;
mod entries;
mod keys;
mod nodes;
mod objects;
mod once;
mod prepare;
mod prune;
mod tokens;
mod trial;

use serde_json::Value as Json;

use crate::{
    Committed, Conflict, ConflictReason, Op, StoreError,
    audit::{self, Rendered},
    sql::{ChainRow, Connection, Head, Value},
};

pub(crate) use clock::CLOCK;
use prepare::Effective;
pub(crate) use prepare::Prepared;
pub(crate) use prune::{Sweep, Swept, prune};
pub(crate) use trial::trial;

/// What one effect comes to.
enum Effect {
    Done,
    Returned(Json),
    Conflict(ConflictReason, Option<Json>),
}

/// What a transaction made of its commits.
#[derive(Debug)]
pub(crate) struct Group {
    /// One for each commit.
    pub(crate) outcomes: Vec<Committed>,
    /// The head after it.
    pub(crate) head: Head,
}

/// Why a transaction was not made durable.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What to tell.
    pub(crate) error: StoreError,
    /// What it would have come to, when it failed at its very end.
    pub(crate) group: Option<Group>,
}

impl Failure {
    /// Nothing was written.
    pub(crate) fn certain(error: StoreError) -> Self {
        Self { error, group: None }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::certain(error)
    }
}

/// Writes all of them in one transaction.
pub(crate) async fn apply<C: Connection>(connection: &mut C, commits: &[&Prepared]) -> Result<Group, Failure> {
    let done = attempt(connection, commits).await;
    if done.is_err() {
        connection.abort().await;
    }
    done
}

async fn attempt<C: Connection>(connection: &mut C, commits: &[&Prepared]) -> Result<Group, Failure> {
    let head = connection.begin().await.map_err(Failure::certain)?;
    let mut transaction = Transaction { connection, head, at: 0, rows: Vec::with_capacity(commits.len()) };
    let outcomes = transaction.run(commits).await.map_err(Failure::certain)?;
    let Transaction { connection, head: end, rows, .. } = transaction;
    let group = Group { outcomes, head: end };
    match connection.finish(rows, &end, end.revision != head.revision).await {
        Ok(()) => Ok(group),
        Err(error) => Err(Failure { error, group: Some(group) }),
    }
}

/// A transaction under way.
struct Transaction<'c, C> {
    connection: &'c mut C,
    head: Head,
    /// Time of the commit under way, in microseconds.
    at: i64,
    rows: Vec<ChainRow>,
}

impl<C: Connection> Transaction<'_, C> {
    async fn run(&mut self, commits: &[&Prepared]) -> Result<Vec<Committed>, StoreError> {
        let mut outcomes = Vec::with_capacity(commits.len());
        for commit in commits {
            outcomes.push(self.one(commit).await?);
        }
        Ok(outcomes)
    }

    async fn one(&mut self, commit: &Prepared) -> Result<Committed, StoreError> {
        self.at = commit.audit.at;
        let before = self.head.revision;
        // A single effect either happens or does not; there is nothing of it to undo.
        let several = commit.ops.len() > 1;
        if several {
            self.connection.savepoint().await?;
        }
        let mut returned = Vec::new();
        for (index, effective) in commit.ops.iter().enumerate() {
            match self.effect(effective).await? {
                Effect::Done => {}
                Effect::Returned(row) => returned.push(row),
                Effect::Conflict(reason, existing) => {
                    if several {
                        self.connection.undo().await?;
                    }
                    self.head.revision = before;
                    if let Some(refused) = &commit.refused {
                        self.record(&Rendered::new(refused).map_err(StoreError::Invalid)?)?;
                    }
                    return Ok(Committed::Conflict(Conflict { op: index, reason, existing }));
                }
            }
        }
        if several {
            self.connection.keep().await?;
        }
        commit.further.iter().chain([&commit.audit]).try_for_each(|record| self.record(record))?;
        Ok(Committed::Done { revision: self.head.revision, returned })
    }

    fn record(&mut self, record: &Rendered) -> Result<(), StoreError> {
        let row = audit::link(&mut self.head, record)?;
        self.rows.push(row);
        Ok(())
    }

    async fn effect(&mut self, Effective { op, document }: &Effective) -> Result<Effect, StoreError> {
        match op {
            Op::UseOnce { key, until } => self.use_once(key, *until).await,
            Op::BelieveClock { now, reopen } => self.believe_clock(*now, *reopen).await,
            // Written at the end, when nothing can conflict any more.
            Op::Audit(_) => Ok(Effect::Done),
            Op::CreateJoinToken(row) => self.create_join_token(row).await,
            Op::ConsumeJoinToken { hash, now } => self.consume_join_token(hash, *now).await,
            Op::DeleteJoinToken { hash } => self.delete_join_token(hash).await,
            Op::CreateEntry { id, spiffe_id, parent_id, selectors_key, expires_at, .. } => {
                let place = entries::Place { spiffe_id, parent_id, selectors_key };
                self.create_entry(id, &place, document, *expires_at).await
            }
            Op::UpdateEntry { id, spiffe_id, parent_id, selectors_key, expires_at, expect, .. } => {
                let place = entries::Place { spiffe_id, parent_id, selectors_key };
                self.update_entry(id, &place, document, *expires_at, *expect).await
            }
            Op::DeleteEntry { id } => self.delete_entry(id).await,
            Op::PutObject { kind, name, expect, .. } => self.put_object(*kind, name, document, *expect).await,
            Op::DeleteObject { kind, name } => self.delete_object(*kind, name).await,
            Op::InsertKey(row) => self.insert_key(row).await,
            Op::UpdateKey { row, expect } => self.update_key(row, *expect).await,
            Op::DeleteKey { kid } => self.delete_key(kid).await,
            Op::PutNode(row) => self.put_node(row).await,
            Op::InsertNode(row) => self.insert_node(row).await,
            Op::UpdateNode { row, expect } => self.update_node(row, *expect).await,
            Op::DeleteNode { id } => self.delete_node(id).await,
            Op::InsertToken(row) => self.insert_token(row, document).await,
            Op::UseToken { id, now } => self.use_token(id, *now).await,
            Op::RevokeToken { id, now } => self.revoke_token(id, *now).await,
            Op::SupersedeToken { id, now } => self.supersede_token(id, *now).await,
        }
    }

    /// Whether the statement, which ends with RETURNING, did anything.
    async fn did(&mut self, sql: &'static str, params: Vec<Value>) -> Result<bool, StoreError> {
        Ok(!self.connection.query(sql.into(), params).await?.is_empty())
    }

    /// The next revision, for the row that is about to change.
    fn next_revision(&mut self) -> Result<Value, StoreError> {
        self.head.revision = self.head.revision.saturating_add(1);
        Value::count(self.head.revision)
    }
}
