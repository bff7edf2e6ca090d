//! The audit chain, when somebody has written to the database.

use carnet_store::{AuditBreak, AuditVerdict, testing::TestPostgres, verify_audit};
use tempfile::tempdir;

use crate::support::{fill, store, url};

/// What is found after these statements on a chain of `rows` rows.
async fn after(rows: u64, sql: &str) -> AuditVerdict {
    let folder = tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = store(&url(&file)).await;
    fill(&*store, rows).await;
    rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    verify_audit(&*store, None).await.unwrap()
}

fn broken(seq: u64, what: AuditBreak) -> AuditVerdict {
    AuditVerdict::Broken { seq, what }
}

#[tokio::test]
async fn a_chain_that_nobody_touched_is_intact_over_many_pages() {
    assert!(matches!(after(1203, "").await, AuditVerdict::Intact(head) if head.seq == 1203));
}

#[tokio::test]
async fn an_edited_row_is_found() {
    let sql = "UPDATE audit SET record = replace(record, 'allowed', 'refused') WHERE seq = 4";
    assert_eq!(after(6, sql).await, broken(4, AuditBreak::Edited));
}

#[tokio::test]
async fn an_edited_row_with_a_digest_that_fits_is_found_by_the_next() {
    let sql = "UPDATE audit SET hash = zeroblob(32) WHERE seq = 4";
    assert_eq!(after(6, sql).await, broken(4, AuditBreak::Edited));
}

#[tokio::test]
async fn a_member_added_to_a_record_is_found() {
    let sql = "UPDATE audit SET record = replace(record, '{\"action', '{\"aaa\":1,\"action') WHERE seq = 601";
    assert!(matches!(after(700, sql).await, AuditVerdict::Broken { seq: 601, what: AuditBreak::Unreadable(_) }));
}

#[tokio::test]
async fn a_member_said_twice_is_found() {
    let sql =
        "UPDATE audit SET record = replace(record, '\"details\":{}', '\"details\":{\"a\":1,\"a\":1}') WHERE seq = 2";
    assert!(matches!(after(3, sql).await, AuditVerdict::Broken { seq: 2, what: AuditBreak::Unreadable(_) }));
}

#[tokio::test]
async fn a_time_edited_beside_the_record_is_found() {
    let sql = "UPDATE audit SET at = at + 1 WHERE seq = 2";
    assert!(matches!(after(3, sql).await, AuditVerdict::Broken { seq: 2, what: AuditBreak::Unreadable(_) }));
}

#[tokio::test]
async fn a_removed_row_is_found() {
    assert_eq!(after(6, "DELETE FROM audit WHERE seq = 4").await, broken(4, AuditBreak::Missing { found: 5 }));
}

#[tokio::test]
async fn a_removed_first_row_is_found() {
    assert_eq!(after(6, "DELETE FROM audit WHERE seq = 1").await, broken(1, AuditBreak::Missing { found: 2 }));
}

#[tokio::test]
async fn a_removed_row_before_an_unreadable_one_is_found_first() {
    let sql = "DELETE FROM audit WHERE seq = 3; UPDATE audit SET record = '{}' WHERE seq = 5";
    assert_eq!(after(6, sql).await, broken(3, AuditBreak::Missing { found: 4 }));
}

#[tokio::test]
async fn swapped_rows_are_found() {
    let sql = "UPDATE audit SET seq = -2 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; \
               UPDATE audit SET seq = 3 WHERE seq = -2; \
               UPDATE audit SET record = replace(record, '\"seq\":' || (5 - seq), '\"seq\":' || seq) WHERE seq IN (2, 3)";
    assert_eq!(after(4, sql).await, broken(2, AuditBreak::Unlinked));
}

#[tokio::test]
async fn a_truncated_tail_is_found_by_the_head() {
    assert_eq!(after(6, "DELETE FROM audit WHERE seq > 4").await, broken(5, AuditBreak::Truncated { head: 6 }));
}

#[tokio::test]
async fn an_empty_chain_is_found_by_the_head() {
    assert_eq!(after(2, "DELETE FROM audit").await, broken(1, AuditBreak::Truncated { head: 2 }));
}

#[tokio::test]
async fn a_head_put_back_is_found() {
    assert_eq!(after(3, "UPDATE head SET seq = 2").await, broken(3, AuditBreak::OtherHead));
}

#[tokio::test]
async fn a_tail_truncated_with_its_head_is_found_by_what_was_noted() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = store(&url(&file)).await;
    fill(&*store, 6).await;
    let noted = store.audit_head().await.unwrap();
    let sql = "DELETE FROM audit WHERE seq > 4; UPDATE head SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)";
    rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    assert!(matches!(verify_audit(&*store, None).await.unwrap(), AuditVerdict::Intact(_)));
    let found = verify_audit(&*store, Some(noted)).await.unwrap();
    assert_eq!(found, broken(5, AuditBreak::ShorterThanNoted { noted: 6 }));
    let told = AuditBreak::ShorterThanNoted { noted: 6 }.to_string();
    assert!(
        told.contains("row 6 was noted elsewhere") && !told.contains("head"),
        "the head says nothing of it: {told}"
    );
}

#[tokio::test]
async fn tampering_is_found_in_postgres_too() {
    let server = TestPostgres::shared().unwrap();
    for (sql, found) in [
        (
            "UPDATE audit SET record = replace(record::text, 'allowed', 'refused')::json WHERE seq = 2",
            broken(2, AuditBreak::Edited),
        ),
        ("DELETE FROM audit WHERE seq = 2", broken(2, AuditBreak::Missing { found: 3 })),
        ("DELETE FROM audit WHERE seq > 2", broken(3, AuditBreak::Truncated { head: 4 })),
    ] {
        let url = server.database().unwrap();
        let store = store(&url).await;
        fill(&*store, 4).await;
        server.sql(&url, sql).unwrap();
        assert_eq!(verify_audit(&*store, None).await.unwrap(), found);
    }
}
