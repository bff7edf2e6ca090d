//! Stores of every released schema, opened by this one: nothing is lost.

use std::os::unix::fs::OpenOptionsExt as _;

use carnet_store::{
    AuditFilter, AuditVerdict, Commit, Committed, ConflictReason, JoinTokenRow, KeyRow, NodeRow, ObjectKind, Op,
    Outcome, Store, TokenRow, testing::TestPostgres, verify_audit,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::{noon, numbered, store, url};

fn at(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

async fn conflict(store: &dyn Store, op: Op) -> ConflictReason {
    match store.commit(Commit { ops: vec![op], ..numbered(0) }).await.unwrap() {
        Committed::Conflict(conflict) => conflict.reason,
        Committed::Done { .. } => panic!("no conflict"),
    }
}

/// All that was in the store of schema 1 when it was dumped.
async fn has_what_schema_1_had(store: &dyn Store) {
    let AuditVerdict::Intact(head) = verify_audit(store, None).await.unwrap() else { panic!("the chain is broken") };
    assert_eq!(head.seq, 14);
    let refused = AuditFilter { outcome: Some(Outcome::Refused), ..AuditFilter::default() };
    let refused = store.audit(0, 10, refused).await.unwrap();
    assert_eq!((refused[0].seq, refused[0].record.request_id.as_str(), refused.len()), (4, "request-4", 1));

    let entries = store.entries_since(0, 10).await.unwrap();
    let seen: Vec<_> = entries.iter().map(|row| (row.id.as_str(), row.revision, row.deleted)).collect();
    assert_eq!(seen, [("kept", 1, false), ("deleted", 3, true)]);
    assert_eq!(entries[0].body, json!({ "id": "kept", "hint": "grüße" }));

    let token = JoinTokenRow {
        hash: [5; 32],
        agent_path: Some("/agent".to_owned()),
        expires_at: at(600),
        selectors: vec!["rack:7".to_owned()],
    };
    assert_eq!(store.join_tokens(noon()).await.unwrap(), [token]);

    let kinds = [
        ObjectKind::Rule,
        ObjectKind::Issuer,
        ObjectKind::FederatedDomain,
        ObjectKind::Bundle,
        ObjectKind::Client,
        ObjectKind::Setting,
    ];
    for (revision, kind) in (5..).zip(kinds) {
        let object = store.object(kind, "one".to_owned()).await.unwrap().unwrap();
        assert_eq!((object.body, object.revision), (json!({ "kind": kind }), revision));
    }

    let key = KeyRow {
        kid: "key".to_owned(),
        purpose: "x509".to_owned(),
        algorithm: "ES256".to_owned(),
        stage: "active".to_owned(),
        created_at: noon(),
        activate_at: at(1),
        retire_at: at(2),
        expires_at: at(3),
        revoked_at: Some(at(4)),
        sealed: vec![0, 1, 255],
        public: vec![48, 0],
        certificate: vec![vec![48, 1, 0], vec![48, 0]],
        node: Some("one".to_owned()),
        revision: 11,
    };
    assert!(store.keys().await.unwrap() == [key], "the key is not what it was");
    has_its_nodes_and_tokens(store).await;
}

async fn has_its_nodes_and_tokens(store: &dyn Store) {
    let node = NodeRow {
        id: "spiffe://example.org/node".to_owned(),
        kind: "join-token".to_owned(),
        selectors: vec!["rack:7".to_owned()],
        serial: "0a".to_owned(),
        expires_at: at(3600),
        banned: true,
        reattestable: false,
        attested_at: noon(),
        revision: 12,
    };
    assert_eq!(store.nodes(None, 10).await.unwrap(), [node]);
    let token = TokenRow {
        id: "jti".to_owned(),
        subject: "sub".to_owned(),
        actor: Some("act".to_owned()),
        rule: "rule".to_owned(),
        audiences: vec!["aud".to_owned()],
        issued_at: noon(),
        expires_at: at(300),
        max_expires_at: at(900),
        uses_left: Some(2),
        networks: vec!["192.0.2.0/24".to_owned()],
        revoked_at: Some(at(5)),
        claims: json!({ "a": 1 }),
    };
    assert_eq!(store.token("jti".to_owned()).await.unwrap(), Some(token));
    assert_eq!(conflict(store, Op::UseOnce { key: [3; 32], until: noon() }).await, ConflictReason::Used);
    // Schema 1 may have forgotten it: it deleted keys as soon as they had ended.
    assert_eq!(conflict(store, Op::UseOnce { key: [9; 32], until: noon() }).await, ConflictReason::Used);
    assert!(matches!(verify_audit(store, None).await.unwrap(), AuditVerdict::Intact(head) if head.seq == 16));
}

#[tokio::test]
async fn a_sqlite_store_of_schema_1_is_taken_over_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&file).unwrap();
    let dump = include_str!("../fixtures/sqlite_v1.sql");
    rusqlite::Connection::open(&file).unwrap().execute_batch(dump).unwrap();
    has_what_schema_1_had(&*store(&url(&file)).await).await;
}

#[tokio::test]
async fn a_postgres_store_of_schema_1_is_taken_over_whole() {
    let server = TestPostgres::shared().unwrap();
    let url = server.database().unwrap();
    server.sql(&url, include_str!("../fixtures/postgres_v1.sql")).unwrap();
    has_what_schema_1_had(&*store(&url).await).await;
}
