//! Commits of several effects, several commits, and the store as a whole.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use super::support::{
    after, commit, create_entry, done, is_done, join_token, noon, prune, reason, record, token, use_once,
};
use crate::{
    AuditFilter, AuditRecord, AuditVerdict, Commit, Committed, ConflictReason, Expect, ObjectKind, Op, Outcome, Store,
    StoreError, verify_audit,
};

/// All or nothing, and the refusal is on record.
pub async fn a_conflict_undoes_what_came_before_it(store: Arc<dyn Store>) {
    let revision = done(&*store, create_entry("a")).await;
    let ops = vec![use_once(1), create_entry("b"), Op::InsertToken(token("t", None)), create_entry("a"), use_once(2)];
    let Committed::Conflict(conflict) = store.commit(commit(ops)).await.unwrap() else { panic!("no conflict") };
    assert_eq!((conflict.op, conflict.reason), (3, ConflictReason::Exists));
    assert_eq!(store.entry("b".to_owned()).await.unwrap(), None);
    assert_eq!(store.token("t".to_owned()).await.unwrap(), None);
    let rows = store.audit(1, 10, AuditFilter::default()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.record.outcome).collect::<Vec<_>>(), [Outcome::Refused]);
    // Neither key was used, and no revision was spent.
    let Committed::Done { revision: same, .. } = store.commit(commit(vec![use_once(1), use_once(2)])).await.unwrap()
    else {
        panic!("a key was used");
    };
    assert_eq!(same, revision);
    assert_eq!(done(&*store, create_entry("b")).await, revision + 1);
}

/// [`Op::Audit`]: the rows of effects that happened, and none of those that did not.
pub async fn further_rows_of_a_commit_stand_before_its_own(store: Arc<dyn Store>) {
    let row = |action: &str| Op::Audit(Box::new(AuditRecord::new(noon(), action, Outcome::Allowed)));
    assert!(is_done(&store.commit(commit(vec![row("first"), use_once(1), row("second")])).await.unwrap()));
    assert!(!is_done(&store.commit(commit(vec![row("third"), use_once(1)])).await.unwrap()));
    let rows = store.audit(0, 10, AuditFilter::default()).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.record.action.as_str(), row.record.outcome)).collect();
    let wanted = [("first", Outcome::Allowed), ("second", Outcome::Allowed), ("check", Outcome::Allowed)];
    assert_eq!(told, [&wanted[..], &[("check", Outcome::Refused)]].concat());
}

/// [`Commit::refused`] is `None`.
pub async fn a_commit_without_a_refusal_leaves_no_trace_of_a_conflict(store: Arc<dyn Store>) {
    done(&*store, use_once(1)).await;
    let silent = Commit { ops: vec![use_once(1)], audit: record(Outcome::Allowed), refused: None };
    assert!(!is_done(&store.commit(silent).await.unwrap()));
    assert_eq!(store.audit_head().await.unwrap().seq, 1);
}

/// Within one commit.
pub async fn each_effect_sees_those_before_it(store: Arc<dyn Store>) {
    let twice = store.commit(commit(vec![use_once(1), use_once(1)])).await.unwrap();
    assert!(matches!(twice, Committed::Conflict(conflict) if conflict.op == 1));
    let ops = vec![
        create_entry("a"),
        Op::DeleteEntry { id: "a".to_owned() },
        create_entry("a"),
        Op::CreateJoinToken(join_token(1)),
        Op::ConsumeJoinToken { hash: [1; 32], now: noon() },
    ];
    let committed = store.commit(commit(ops)).await.unwrap();
    assert!(matches!(committed, Committed::Done { returned, .. } if returned.len() == 1));
    assert!(store.entry("a".to_owned()).await.unwrap().is_some());
}

/// Before anything is written.
pub async fn rejects_what_cannot_be_stored(store: Arc<dyn Store>) {
    let refused = |op| {
        let store = Arc::clone(&store);
        async move { store.commit(commit(vec![op])).await.unwrap_err() }
    };
    assert!(matches!(refused(create_entry("a\0b")).await, StoreError::Invalid(_)));
    let large = json!("x".repeat(1024 * 1024));
    let put =
        Op::PutObject { kind: ObjectKind::Setting, name: "a".to_owned(), body: large.clone(), expect: Expect::Any };
    assert!(matches!(refused(put).await, StoreError::Invalid(_)));
    assert!(matches!(refused(Op::InsertToken(token("a", Some(u64::MAX)))).await, StoreError::Invalid(_)));
    let mut audit = record(Outcome::Allowed);
    audit.details.insert("large".to_owned(), large.clone());
    let oversized = store.commit(Commit { ops: Vec::new(), audit, refused: None }).await.unwrap_err();
    assert!(matches!(oversized, StoreError::Invalid(_)));
    assert_eq!(store.audit_head().await.unwrap().seq, 0);
    done(&*store, use_once(1)).await;
    // A refusal is rendered when it comes to that: nothing of the commit is written then.
    let mut refusal = record(Outcome::Refused);
    refusal.details.insert("large".to_owned(), large);
    let ops = vec![use_once(2), use_once(1)];
    let oversized = store.commit(Commit { refused: Some(refusal), ..commit(ops) }).await.unwrap_err();
    assert!(matches!(oversized, StoreError::Invalid(_)));
    assert_eq!(store.audit_head().await.unwrap().seq, 1);
    done(&*store, use_once(2)).await;
}

/// In one transaction with others, all of which are answered.
pub async fn a_bad_commit_does_not_harm_its_neighbours(store: Arc<dyn Store>) {
    let commits = (0..16).map(|number| {
        let bad = number % 4 == 3;
        let op = if bad { Op::InsertToken(token("bad", Some(u64::MAX))) } else { use_once(number) };
        let store = Arc::clone(&store);
        async move { (bad, store.commit(commit(vec![op])).await) }
    });
    for (bad, outcome) in join_all(commits).await {
        assert_eq!(outcome.is_err(), bad);
    }
    assert_eq!(store.audit_head().await.unwrap().seq, 12);
    assert!(matches!(verify_audit(&*store, None).await.unwrap(), AuditVerdict::Intact(_)));
}

/// 32 at once cost far fewer than 32 transactions.
pub async fn commits_that_come_together_share_a_transaction(store: Arc<dyn Store>) {
    let before = store.transactions();
    let commits = (0..32).map(|key| store.commit(commit(vec![use_once(key)])));
    for outcome in join_all(commits).await {
        assert!(is_done(&outcome.unwrap()));
    }
    let spent = store.transactions() - before;
    assert!((1..=8).contains(&spent), "{spent} transactions for 32 commits");
    assert_eq!(store.audit_head().await.unwrap().seq, 32);
}

/// [`Store::changes`], and not what is on every exchange's way.
pub async fn changes_are_told(store: Arc<dyn Store>) {
    let mut changes = store.changes();
    changes.mark_unchanged();
    done(&*store, use_once(1)).await;
    done(&*store, Op::InsertToken(token("a", Some(1)))).await;
    done(&*store, Op::UseToken { id: "a".to_owned(), now: noon() }).await;
    assert!(!changes.has_changed().unwrap());
    let ops = [
        create_entry("a"),
        Op::CreateJoinToken(join_token(1)),
        Op::PutNode(super::support::node("spiffe://example.org/a")),
        Op::InsertKey(super::support::key("a")),
        Op::PutObject { kind: ObjectKind::Client, name: "a".to_owned(), body: json!({}), expect: Expect::Any },
        Op::RevokeToken { id: "a".to_owned(), now: noon() },
    ];
    for op in ops {
        let revision = done(&*store, op).await;
        changes.changed().await.unwrap();
        assert_eq!(*changes.borrow_and_update(), revision);
    }
}

/// And nothing that lives.
pub async fn pruning_forgets_what_is_dead_alone(store: Arc<dyn Store>) {
    done(&*store, use_once(1)).await;
    done(&*store, Op::UseOnce { key: [2; 32], until: after(1000) }).await;
    done(&*store, Op::InsertToken(token("dead", None))).await;
    let mut live = token("live", None);
    live.max_expires_at = after(2000);
    done(&*store, Op::InsertToken(live)).await;
    done(&*store, Op::CreateJoinToken(join_token(1))).await;
    done(&*store, create_entry("a")).await;
    let head = store.audit_head().await.unwrap();
    assert_eq!(prune(&*store, 1).await, 0);
    assert_eq!(prune(&*store, 950).await, 3);
    assert_eq!(store.token("dead".to_owned()).await.unwrap(), None);
    assert!(store.token("live".to_owned()).await.unwrap().is_some());
    assert!(store.entry("a".to_owned()).await.unwrap().is_some());
    assert_eq!(store.audit_head().await.unwrap(), head);
    assert_eq!(reason(&*store, Op::UseOnce { key: [2; 32], until: after(1000) }).await, ConflictReason::Used);
}

/// The last are as good as the first: more than one transaction takes.
pub async fn pruning_takes_as_many_transactions_as_it_needs(store: Arc<dyn Store>) {
    let keys = (0..2500_u16).map(|key| {
        let mut digest = [0; 32];
        digest[..2].copy_from_slice(&key.to_be_bytes());
        Op::UseOnce { key: digest, until: after(i64::from(key)) }
    });
    assert!(is_done(&store.commit(commit(keys.collect())).await.unwrap()));
    assert_eq!(prune(&*store, 2399).await, 2400);
    assert_eq!(reason(&*store, Op::UseOnce { key: [1; 32], until: after(2399) }).await, ConflictReason::Used);
    done(&*store, Op::UseOnce { key: [1; 32], until: after(2400) }).await;
}

/// [`Store::check`].
pub async fn the_store_says_whether_it_can_write(store: Arc<dyn Store>) {
    store.check().await.unwrap();
    assert_eq!(store.audit_head().await.unwrap().seq, 0);
}

/// After [`Store::close`], and after all that waited was written.
pub async fn a_closed_store_says_so(store: Arc<dyn Store>) {
    let waiting = store.commit(commit(vec![use_once(1)]));
    let (written, ()) = tokio::join!(waiting, store.close());
    assert!(is_done(&written.unwrap()));
    store.close().await;
    assert_eq!(store.commit(commit(Vec::new())).await.unwrap_err(), StoreError::Closed);
    assert_eq!(store.entry("a".to_owned()).await.unwrap_err(), StoreError::Closed);
    assert_eq!(store.check().await.unwrap_err(), StoreError::Closed);
}
