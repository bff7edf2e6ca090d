//! What the tests are made of.

use std::{path::Path, sync::Arc};

use carnet_store::{AuditRecord, Commit, Committed, Op, Options, Outcome, Store, StoreError, TokenRow, open};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

pub(crate) fn noon() -> Timestamp {
    Timestamp::from_second(1_795_262_400).unwrap()
}

pub(crate) fn url(file: &Path) -> String {
    format!("sqlite:{}", file.display())
}

pub(crate) async fn store(url: &str) -> Arc<dyn Store> {
    open(url, Options::default()).await.unwrap()
}

/// Why it does not open.
pub(crate) async fn refusal(url: &str) -> StoreError {
    open(url, Options::default()).await.map(drop).unwrap_err()
}

/// Three effects that belong together, named by a number, and their record.
pub(crate) fn numbered(number: u64) -> Commit {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    let id = format!("{number:08}");
    let record = |outcome| AuditRecord { request_id: id.clone(), ..AuditRecord::new(noon(), "number", outcome) };
    let until = noon() + SignedDuration::from_hours(1);
    let token = TokenRow {
        id: id.clone(),
        subject: "spiffe://example.org/job".to_owned(),
        actor: None,
        rule: "jobs".to_owned(),
        audiences: vec!["a".to_owned()],
        issued_at: noon(),
        expires_at: until,
        max_expires_at: until,
        uses_left: Some(1),
        networks: Vec::new(),
        revoked_at: None,
        claims: json!({}),
    };
    let entry = Op::CreateEntry {
        id: id.clone(),
        spiffe_id: format!("spiffe://example.org/{number}"),
        parent_id: "spiffe://example.org/node".to_owned(),
        selectors_key: [1; 32],
        body: json!({ "number": number }),
        expires_at: None,
    };
    Commit {
        ops: vec![Op::UseOnce { key, until }, entry, Op::InsertToken(token)],
        audit: record(Outcome::Allowed),
        refused: Some(record(Outcome::Refused)),
    }
}

pub(crate) fn is_done(committed: &Committed) -> bool {
    matches!(committed, Committed::Done { .. })
}

/// Commits the numbers from 1 to `last`.
pub(crate) async fn fill(store: &dyn Store, last: u64) {
    for number in 1..=last {
        assert!(is_done(&store.commit(numbered(number)).await.unwrap()));
    }
}
