//! One outcome, and its place in the chain.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Allowed,
    /// A rule or a condition said no.
    Refused,
    /// It should have been done and could not be.
    Failed,
}

impl Outcome {
    /// Its name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What happened. Never holds a token, a key or an assertion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// When, to the microsecond.
    pub at: Timestamp,
    /// What was asked for, for instance `token.exchange`.
    pub action: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Who asked.
    pub actor: String,
    /// The identity that was shown.
    pub subject: String,
    /// The identity that was given, or would have been.
    pub principal: String,
    /// For whom.
    pub audiences: Vec<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The clause that failed.
    pub clause: Option<String>,
    /// `jti` or serial number of what was issued.
    pub token_id: Option<String>,
    /// When what was issued expires.
    pub expires_at: Option<Timestamp>,
    /// Address of the caller.
    pub peer: Option<String>,
    /// Ties it to the log and the trace.
    pub request_id: String,
    /// What else there is to say. A number that is not an integer is kept as text.
    pub details: Map<String, Value>,
}

impl AuditRecord {
    /// A record with nothing else in it yet.
    pub fn new(at: Timestamp, action: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            at,
            action: action.into(),
            outcome,
            actor: String::new(),
            subject: String::new(),
            principal: String::new(),
            audiences: Vec::new(),
            rule: None,
            clause: None,
            token_id: None,
            expires_at: None,
            peer: None,
            request_id: String::new(),
            details: Map::new(),
        }
    }
}

/// A record in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Its place, from 1, without gaps.
    pub seq: u64,
    /// Digest of the row before; zeros for the first.
    pub previous: [u8; 32],
    /// SHA-256 of `previous` and the canonical JSON of the record with its `seq`.
    pub hash: [u8; 32],
    /// The record.
    pub record: AuditRecord,
}

/// The end of the chain. Whoever notes it elsewhere can tell later that nothing before it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Place of the last row; 0 when there is none.
    pub seq: u64,
    /// Its digest; zeros when there is none.
    pub hash: [u8; 32],
}

/// Which records to read. All that is given must hold; texts are compared byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after this row: no row beyond it is looked at.
    pub up_to: Option<u64>,
    /// Before.
    pub until: Option<Timestamp>,
    /// [`AuditRecord::action`].
    pub action: Option<String>,
    /// [`AuditRecord::outcome`].
    pub outcome: Option<Outcome>,
    /// [`AuditRecord::actor`].
    pub actor: Option<String>,
    /// [`AuditRecord::subject`].
    pub subject: Option<String>,
    /// [`AuditRecord::principal`].
    pub principal: Option<String>,
    /// [`AuditRecord::rule`].
    pub rule: Option<String>,
    /// [`AuditRecord::token_id`].
    pub token_id: Option<String>,
    /// [`AuditRecord::request_id`].
    pub request_id: Option<String>,
}
