//! Two nodes on one PostgreSQL.

use carnet_store::{
    AuditVerdict, Committed, JoinTokenRow, Op, Options, Store, open, testing::TestPostgres, verify_audit,
};

use crate::support::{fill, is_done, noon, numbered, refusal, store};

async fn race(one: &dyn Store, two: &dyn Store, op: Op) -> usize {
    let commit = || carnet_store::Commit { ops: vec![op.clone()], ..numbered(0) };
    let (a, b) = tokio::join!(one.commit(commit()), two.commit(commit()));
    [a.unwrap(), b.unwrap()].iter().filter(|one| is_done(one)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_used_once_is_used_by_one_node_alone() {
    let url = TestPostgres::shared().unwrap().database().unwrap();
    let (one, two) = (store(&url).await, store(&url).await);
    fill(&*one, 20).await;
    for number in 0..20_u8 {
        let until = noon();
        assert_eq!(race(&*one, &*two, Op::UseOnce { key: [100 + number; 32], until }).await, 1);
        let id = format!("{:08}", number + 1);
        assert_eq!(race(&*one, &*two, Op::UseToken { id, now: noon() }).await, 1);
        let hash = [number; 32];
        let expires_at = noon() + jiff::SignedDuration::from_secs(1);
        let row = JoinTokenRow { hash, agent_path: None, expires_at, selectors: Vec::new() };
        assert_eq!(race(&*one, &*two, Op::CreateJoinToken(row)).await, 1);
        assert_eq!(race(&*two, &*one, Op::ConsumeJoinToken { hash, now: noon() }).await, 1);
    }
    assert!(matches!(verify_audit(&*one, None).await.unwrap(), AuditVerdict::Intact(head) if head.seq == 180));
}

#[tokio::test]
async fn a_node_hears_of_what_another_has_changed() {
    let url = TestPostgres::shared().unwrap().database().unwrap();
    let (one, two) = (store(&url).await, store(&url).await);
    let mut changes = two.changes();
    let Committed::Done { revision, .. } = one.commit(numbered(1)).await.unwrap() else { panic!("a conflict") };
    changes.wait_for(|seen| *seen == revision).await.unwrap();
    assert_eq!(two.entries_since(0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nodes_that_start_together_make_the_schema_once() {
    let url = TestPostgres::shared().unwrap().database().unwrap();
    let stores = futures_util::future::join_all((0..6).map(|_| store(&url))).await;
    for (number, store) in (1..).zip(&stores) {
        assert!(is_done(&store.commit(numbered(number)).await.unwrap()));
    }
    assert_eq!(stores[0].audit_head().await.unwrap().seq, 6);
}

#[tokio::test]
async fn rejects_a_database_with_a_newer_schema() {
    let server = TestPostgres::shared().unwrap();
    let url = server.database().unwrap();
    store(&url).await.close().await;
    server.sql(&url, "INSERT INTO migrations VALUES (99, 'x')").unwrap();
    let error = refusal(&url).await;
    assert_eq!(error.to_string(), "the store has schema 99, and this carnet knows schema 2 at most");
    // It has left nothing locked, and nothing written.
    assert_eq!(
        server.sql(&url, "SELECT string_agg(version::text, ' ' ORDER BY version) FROM migrations").unwrap(),
        "1 2 99"
    );
}

#[tokio::test]
async fn a_password_given_apart_is_taken() {
    let server = TestPostgres::shared().unwrap();
    let options = Options { password: Some("not asked for".to_owned().into()), ..Options::default() };
    let store = open(&server.database().unwrap(), options).await.unwrap();
    fill(&*store, 1).await;
}
