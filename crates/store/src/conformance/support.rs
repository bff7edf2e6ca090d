//! What the checks are made of.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    AuditRecord, Commit, Committed, Conflict, ConflictReason, JoinTokenRow, KeyRow, NodeRow, Op, Outcome, Store,
    TokenRow,
};

/// Noon of some day.
pub(super) fn noon() -> Timestamp {
    Timestamp::from_second(1_795_262_400).unwrap()
}

pub(super) fn after(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

pub(super) fn record(outcome: Outcome) -> AuditRecord {
    AuditRecord::new(noon(), "check", outcome)
}

pub(super) fn commit(ops: Vec<Op>) -> Commit {
    Commit { ops, audit: record(Outcome::Allowed), refused: Some(record(Outcome::Refused)) }
}

/// Commits what must succeed; answers the revision.
pub(super) async fn done(store: &dyn Store, op: Op) -> u64 {
    match store.commit(commit(vec![op])).await.unwrap() {
        Committed::Done { revision, .. } => revision,
        Committed::Conflict(conflict) => panic!("a conflict: {conflict:?}"),
    }
}

/// Commits what must conflict.
pub(super) async fn conflict(store: &dyn Store, op: Op) -> Conflict {
    match store.commit(commit(vec![op])).await.unwrap() {
        Committed::Conflict(conflict) => conflict,
        other @ Committed::Done { .. } => panic!("no conflict: {other:?}"),
    }
}

pub(super) async fn reason(store: &dyn Store, op: Op) -> ConflictReason {
    conflict(store, op).await.reason
}

/// Prunes as often as it takes until the store forgets what ended by this time, in seconds after noon, and answers how many
/// rows that were.
pub(super) async fn prune(store: &dyn Store, ended: i64) -> u64 {
    let now = after(ended + 3600);
    let mut pruned = 0;
    for _ in 0..4 + ended / 1200 {
        pruned += store.prune(now).await.unwrap();
    }
    pruned
}

pub(super) fn is_done(committed: &Committed) -> bool {
    matches!(committed, Committed::Done { .. })
}

pub(super) fn use_once(key: u8) -> Op {
    Op::UseOnce { key: [key; 32], until: after(60) }
}

/// An entry of this name whose place is its own.
pub(super) fn create_entry(id: &str) -> Op {
    Op::CreateEntry {
        id: id.to_owned(),
        spiffe_id: format!("spiffe://example.org/{id}"),
        parent_id: "spiffe://example.org/node".to_owned(),
        selectors_key: [1; 32],
        body: json!({ "id": id }),
        expires_at: Some(after(3600)),
    }
}

pub(super) fn join_token(hash: u8) -> JoinTokenRow {
    JoinTokenRow {
        hash: [hash; 32],
        agent_path: Some("/agent/one".to_owned()),
        expires_at: after(600),
        selectors: vec!["rack:7".to_owned()],
    }
}

pub(super) fn key(kid: &str) -> KeyRow {
    KeyRow {
        kid: kid.to_owned(),
        purpose: "x509".to_owned(),
        algorithm: "ES256".to_owned(),
        stage: "prepared".to_owned(),
        created_at: noon(),
        activate_at: after(10),
        retire_at: after(20),
        expires_at: after(30),
        revoked_at: None,
        sealed: vec![0, 1, 255],
        public: vec![48, 0],
        certificate: vec![vec![48, 1, 0], vec![48, 2, 0, 255]],
        node: Some("one".to_owned()),
        revision: 0,
    }
}

pub(super) fn node(id: &str) -> NodeRow {
    NodeRow {
        id: id.to_owned(),
        kind: "join-token".to_owned(),
        selectors: vec!["rack:7".to_owned(), "ümlaut:\u{1f511}\0".to_owned()],
        serial: "0a1b".to_owned(),
        expires_at: after(3600),
        banned: false,
        reattestable: true,
        attested_at: noon(),
        revision: 0,
    }
}

pub(super) fn token(id: &str, uses: Option<u64>) -> TokenRow {
    TokenRow {
        id: id.to_owned(),
        subject: "spiffe://example.org/job".to_owned(),
        actor: Some("spiffe://example.org/proxy".to_owned()),
        rule: "jobs".to_owned(),
        audiences: vec!["https://a.example".to_owned(), "https://b.example".to_owned()],
        issued_at: noon(),
        expires_at: after(300),
        max_expires_at: after(900),
        uses_left: uses,
        networks: vec!["192.0.2.0/24".to_owned()],
        revoked_at: None,
        claims: json!({ "repository": "a/b", "text": "a\u{0}b", "n": 1.5 }),
    }
}
