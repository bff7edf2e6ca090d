//! A commit, looked at and rendered before it waits.

use crate::{AuditRecord, Commit, Op, StoreError, audit::Rendered};

/// Longest text or document of one row, in bytes.
const MOST: usize = 1024 * 1024;
/// Most effects of one commit.
const MOST_OPS: usize = 10_000;

/// A commit that can only fail for reasons of the store.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) ops: Vec<Effective>,
    /// The rows of [`Op::Audit`], in order.
    pub(crate) further: Vec<Rendered>,
    pub(crate) audit: Rendered,
    /// Rendered when it comes to that, which is seldom.
    pub(crate) refused: Option<AuditRecord>,
}

/// An effect, and the document of its row as text; empty when the row has none.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(crate) op: Op,
    pub(crate) document: String,
}

impl Prepared {
    pub(crate) fn new(commit: Commit) -> Result<Self, StoreError> {
        if commit.ops.len() > MOST_OPS {
            return Err(StoreError::Invalid(format!("{} effects in one commit, at most {MOST_OPS}", commit.ops.len())));
        }
        let rows = commit.ops.iter().filter_map(|op| if let Op::Audit(row) = op { Some(&**row) } else { None });
        let further = rows.map(Rendered::new).collect::<Result<_, _>>().map_err(StoreError::Invalid)?;
        let ops = commit.ops.into_iter().map(|op| check(&op).map(|document| Effective { op, document }));
        let ops = ops.collect::<Result<_, _>>()?;
        let audit = Rendered::new(&commit.audit).map_err(StoreError::Invalid)?;
        Ok(Self { ops, further, audit, refused: commit.refused })
    }
}

/// Answers the document, if there is one. PostgreSQL has no U+0000 in texts; documents carry it as an escape.
fn check(op: &Op) -> Result<String, StoreError> {
    match op {
        Op::UseOnce { .. }
        | Op::BelieveClock { .. }
        | Op::Audit(_)
        | Op::ConsumeJoinToken { .. }
        | Op::DeleteJoinToken { .. } => {}
        Op::CreateJoinToken(row) => {
            optional("the path of a join token", row.agent_path.as_deref())?;
            list("the selectors of a join token", &row.selectors)?;
        }
        Op::CreateEntry { id, spiffe_id, parent_id, body, .. }
        | Op::UpdateEntry { id, spiffe_id, parent_id, body, .. } => {
            name("the name of an entry", id)?;
            name("the SPIFFE ID of an entry", spiffe_id)?;
            name("the parent of an entry", parent_id)?;
            return document("an entry", body);
        }
        Op::PutObject { name: of, body, .. } => {
            name("the name of an object", of)?;
            return document("an object", body);
        }
        Op::DeleteEntry { id: of } | Op::DeleteObject { name: of, .. } | Op::DeleteKey { kid: of } => {
            name("the name of what is deleted", of)?;
        }
        Op::InsertKey(row) | Op::UpdateKey { row, .. } => {
            for (what, text) in [
                ("the kid of a key", &row.kid),
                ("the purpose of a key", &row.purpose),
                ("the algorithm of a key", &row.algorithm),
                ("the stage of a key", &row.stage),
            ] {
                name(what, text)?;
            }
            optional("the node of a key", row.node.as_deref())?;
        }
        Op::PutNode(row) | Op::InsertNode(row) | Op::UpdateNode { row, .. } => {
            name("the SPIFFE ID of a node", &row.id)?;
            name("the kind of a node", &row.kind)?;
            name("the serial number of a node", &row.serial)?;
            list("the selectors of a node", &row.selectors)?;
        }
        Op::DeleteNode { id } => name("the SPIFFE ID of a node", id)?,
        Op::InsertToken(row) => {
            name("the jti of a token", &row.id)?;
            name("the subject of a token", &row.subject)?;
            name("the rule of a token", &row.rule)?;
            optional("the actor of a token", row.actor.as_deref())?;
            list("the audiences of a token", &row.audiences)?;
            list("the networks of a token", &row.networks)?;
            return document("the claims of a token", &row.claims);
        }
        Op::UseToken { id, .. } | Op::RevokeToken { id, .. } | Op::SupersedeToken { id, .. } => {
            name("the jti of a token", id)?;
        }
    }
    Ok(String::new())
}

fn name(what: &str, text: &str) -> Result<(), StoreError> {
    if text.contains('\0') {
        return Err(StoreError::Invalid(format!("{what} holds the character U+0000")));
    }
    size(what, text.len())
}

fn optional(what: &str, text: Option<&str>) -> Result<(), StoreError> {
    text.map_or(Ok(()), |text| name(what, text))
}

/// Lists are kept as JSON, where any character can be.
fn list(what: &str, texts: &[String]) -> Result<(), StoreError> {
    size(what, texts.iter().map(String::len).fold(0, usize::saturating_add))
}

fn document(what: &str, body: &serde_json::Value) -> Result<String, StoreError> {
    let text = serde_json::to_string(body).map_err(|error| StoreError::Invalid(error.to_string()))?;
    size(what, text.len()).map(|()| text)
}

fn size(what: &str, length: usize) -> Result<(), StoreError> {
    if length > MOST {
        return Err(StoreError::Invalid(format!("{what} has {length} bytes, at most {MOST} are taken")));
    }
    Ok(())
}
