//! What a commit is made of, and what becomes of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{JoinTokenRow, KeyRow, NodeRow, ObjectKind, TokenRow};
use crate::AuditRecord;

/// The effects of one decision and its record. All of it is stored, or nothing.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The effects, in order; each sees those before it. There may be none.
    pub ops: Vec<Op>,
    /// The record, when all effects could be had.
    pub audit: AuditRecord,
    /// The record that is written instead when one of them could not; `None` leaves no trace of the attempt.
    pub refused: Option<AuditRecord>,
}

/// One effect.
#[derive(Clone, Debug)]
pub enum Op {
    /// Takes a key that nobody has taken before. Conflicts with [`ConflictReason::Used`], also when the key would be among
    /// those that were forgotten, and so nobody can tell: see [`crate::Store::prune`].
    UseOnce {
        /// SHA-256 of what is used, for instance of issuer and `jti`.
        key: [u8; 32],
        /// The key is remembered at least this long.
        until: Timestamp,
    },
    /// Has the store go by this time from now on when it forgets: see [`crate::Store::prune`]. Never conflicts, and is no change
    /// that others are told of. For an operator who has seen that the time is right.
    BelieveClock {
        /// The time.
        now: Timestamp,
        /// Whether keys that were to be remembered for more than an hour from then are taken again although they may have been
        /// forgotten. Only after a clock that was ahead: after one that is behind, keys are good twice.
        reopen: bool,
    },
    /// A further row of the audit, before [`Commit::audit`]: one decision may issue, and admit for what it issues. Never
    /// conflicts; not written when another effect does.
    Audit(Box<AuditRecord>),
    /// Conflicts with [`ConflictReason::Exists`].
    CreateJoinToken(JoinTokenRow),
    /// Takes the token away and returns its row. Conflicts with [`ConflictReason::NotFound`] or [`ConflictReason::Expired`].
    ConsumeJoinToken {
        /// SHA-256 of the token.
        hash: [u8; 32],
        /// Time of use.
        now: Timestamp,
    },
    /// Conflicts with [`ConflictReason::NotFound`].
    DeleteJoinToken {
        /// SHA-256 of the token.
        hash: [u8; 32],
    },
    /// Conflicts with [`ConflictReason::Exists`], and with [`ConflictReason::Similar`] when another entry has the same
    /// SPIFFE ID, parent and selectors.
    CreateEntry {
        /// Its name.
        id: String,
        /// SPIFFE ID that it gives.
        spiffe_id: String,
        /// SPIFFE ID of the node that may have it.
        parent_id: String,
        /// SHA-256 of its sorted selectors.
        selectors_key: [u8; 32],
        /// The whole entry.
        body: Value,
        /// When it is of no use any more.
        expires_at: Option<Timestamp>,
    },
    /// Conflicts with [`ConflictReason::NotFound`], [`ConflictReason::Stale`] or [`ConflictReason::Similar`].
    UpdateEntry {
        /// Its name.
        id: String,
        /// SPIFFE ID that it gives.
        spiffe_id: String,
        /// SPIFFE ID of the node that may have it.
        parent_id: String,
        /// SHA-256 of its sorted selectors.
        selectors_key: [u8; 32],
        /// The whole entry.
        body: Value,
        /// When it is of no use any more.
        expires_at: Option<Timestamp>,
        /// The revision it must have now, if that matters.
        expect: Option<u64>,
    },
    /// Leaves a tombstone. Conflicts with [`ConflictReason::NotFound`].
    DeleteEntry {
        /// Its name.
        id: String,
    },
    /// Conflicts with [`ConflictReason::Exists`], [`ConflictReason::NotFound`] or [`ConflictReason::Stale`], as `expect` says.
    PutObject {
        /// What it is.
        kind: ObjectKind,
        /// Its name among its kind.
        name: String,
        /// The document.
        body: Value,
        /// What must be there now.
        expect: Expect,
    },
    /// Conflicts with [`ConflictReason::NotFound`].
    DeleteObject {
        /// What it is.
        kind: ObjectKind,
        /// Its name among its kind.
        name: String,
    },
    /// Conflicts with [`ConflictReason::Exists`].
    InsertKey(KeyRow),
    /// Conflicts with [`ConflictReason::NotFound`] or [`ConflictReason::Stale`].
    UpdateKey {
        /// The row as it shall be; its revision is not looked at.
        row: KeyRow,
        /// The revision it must have now.
        expect: u64,
    },
    /// Conflicts with [`ConflictReason::NotFound`].
    DeleteKey {
        /// Its name.
        kid: String,
    },
    /// Writes it whether it is there or not. Never conflicts.
    PutNode(NodeRow),
    /// Conflicts with [`ConflictReason::Exists`]: trust on first use.
    InsertNode(NodeRow),
    /// Conflicts with [`ConflictReason::NotFound`] or [`ConflictReason::Stale`].
    UpdateNode {
        /// The row as it shall be; its revision is not looked at.
        row: NodeRow,
        /// The revision it must have now.
        expect: u64,
    },
    /// Conflicts with [`ConflictReason::NotFound`].
    DeleteNode {
        /// Its SPIFFE ID.
        id: String,
    },
    /// Conflicts with [`ConflictReason::Exists`].
    InsertToken(TokenRow),
    /// Takes one of the uses. Conflicts with [`ConflictReason::NotFound`], [`ConflictReason::Revoked`],
    /// [`ConflictReason::Expired`] or [`ConflictReason::Used`].
    UseToken {
        /// `jti`.
        id: String,
        /// Time of use.
        now: Timestamp,
    },
    /// Conflicts with [`ConflictReason::NotFound`]. A token that is revoked stays so, from the first time.
    RevokeToken {
        /// `jti`.
        id: String,
        /// Time of revocation.
        now: Timestamp,
    },
    /// Revokes a token that another takes the place of. Conflicts with [`ConflictReason::NotFound`], and with
    /// [`ConflictReason::Revoked`] when it is revoked: what was withdrawn, or has a successor, gets none.
    SupersedeToken {
        /// `jti`.
        id: String,
        /// Time of revocation.
        now: Timestamp,
    },
}

/// What must be there for an object to be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything, or nothing.
    Any,
    /// Nothing.
    Absent,
    /// The object with this revision.
    Revision(u64),
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a conflict has no effect, and nothing may be issued on it"]
pub enum Committed {
    /// All effects are durable, and so is the record.
    Done {
        /// The store's revision after it.
        revision: u64,
        /// The row for each [`Op::ConsumeJoinToken`], in order.
        returned: Vec<Value>,
    },
    /// None of the effects has happened. The record of the refusal, if one was given, is durable.
    Conflict(Conflict),
}

/// The effect that could not be had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// Its place among the effects, from 0.
    pub op: usize,
    /// Why.
    pub reason: ConflictReason,
    /// What is there instead: the [`crate::Row`], [`crate::Object`] or [`NodeRow`], as JSON.
    pub existing: Option<Value>,
}

/// Why an effect could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictReason {
    /// Taken before, or no uses left.
    Used,
    /// There is one of that name.
    Exists,
    /// There is none of that name.
    NotFound,
    /// There is another entry with the same SPIFFE ID, parent and selectors.
    Similar,
    /// It has changed since: the revision is not the expected one.
    Stale,
    /// Its time is over.
    Expired,
    /// It was withdrawn.
    Revoked,
}
