//! Registration entries.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::support::{conflict, create_entry, done, noon, reason};
use crate::{ConflictReason, Op, Row, Store, StoreError};

fn update(id: &str, spiffe_id: &str, expect: Option<u64>) -> Op {
    Op::UpdateEntry {
        id: id.to_owned(),
        spiffe_id: spiffe_id.to_owned(),
        parent_id: "spiffe://example.org/node".to_owned(),
        selectors_key: [1; 32],
        body: json!({ "id": id, "hint": "new" }),
        expires_at: None,
        expect,
    }
}

fn delete(id: &str) -> Op {
    Op::DeleteEntry { id: id.to_owned() }
}

fn names(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

/// All four, and what is read after each.
pub async fn an_entry_is_created_read_updated_and_deleted(store: Arc<dyn Store>) {
    let first = done(&*store, create_entry("a")).await;
    let row = Row { id: "a".to_owned(), body: json!({ "id": "a" }), revision: first, deleted: false };
    assert_eq!(store.entry("a".to_owned()).await.unwrap(), Some(row));
    let second = done(&*store, update("a", "spiffe://example.org/other", Some(first))).await;
    assert!(second > first);
    let row = store.entry("a".to_owned()).await.unwrap().unwrap();
    assert_eq!((row.body, row.revision), (json!({ "id": "a", "hint": "new" }), second));
    done(&*store, delete("a")).await;
    assert_eq!(store.entry("a".to_owned()).await.unwrap(), None);
    assert_eq!(reason(&*store, delete("a")).await, ConflictReason::NotFound);
    assert_eq!(reason(&*store, update("a", "spiffe://example.org/a", None)).await, ConflictReason::NotFound);
}

/// SPIFFE ID, parent and selectors of another.
pub async fn rejects_an_entry_that_is_similar_to_another(store: Arc<dyn Store>) {
    done(&*store, create_entry("a")).await;
    let Op::CreateEntry { spiffe_id, parent_id, selectors_key, body, expires_at, .. } = create_entry("a") else {
        panic!("not an entry")
    };
    let twin = Op::CreateEntry { id: "b".to_owned(), spiffe_id, parent_id, selectors_key, body, expires_at };
    let refused = conflict(&*store, twin).await;
    assert_eq!(refused.reason, ConflictReason::Similar);
    assert_eq!(refused.existing.unwrap()["id"], "a");
    done(&*store, create_entry("b")).await;
    assert_eq!(reason(&*store, update("b", "spiffe://example.org/a", None)).await, ConflictReason::Similar);
    done(&*store, update("b", "spiffe://example.org/b", None)).await;
}

/// Whatever else it has.
pub async fn rejects_an_entry_of_a_name_that_is_taken(store: Arc<dyn Store>) {
    let revision = done(&*store, create_entry("a")).await;
    let refused = conflict(&*store, create_entry("a")).await;
    assert_eq!(refused.reason, ConflictReason::Exists);
    assert_eq!(
        refused.existing,
        Some(json!({ "id": "a", "body": { "id": "a" }, "revision": revision, "deleted": false }))
    );
}

/// Somebody else was faster.
pub async fn rejects_an_update_of_an_entry_that_has_changed(store: Arc<dyn Store>) {
    let first = done(&*store, create_entry("a")).await;
    let second = done(&*store, update("a", "spiffe://example.org/a", None)).await;
    let refused = conflict(&*store, update("a", "spiffe://example.org/a", Some(first))).await;
    assert_eq!(refused.reason, ConflictReason::Stale);
    assert_eq!(refused.existing.unwrap()["revision"], second);
}

/// For one of its name, and for one of its place.
pub async fn a_deleted_entry_makes_room(store: Arc<dyn Store>) {
    done(&*store, create_entry("a")).await;
    done(&*store, delete("a")).await;
    done(&*store, create_entry("a")).await;
    assert!(store.entry("a".to_owned()).await.unwrap().is_some());
    done(&*store, delete("a")).await;
    done(&*store, create_entry("b")).await;
    done(&*store, update("b", "spiffe://example.org/a", None)).await;
}

/// By name, byte for byte, without those that are deleted.
pub async fn entries_come_in_pages(store: Arc<dyn Store>) {
    for id in ["b", "a", "B", "é", "c"] {
        done(&*store, create_entry(id)).await;
    }
    done(&*store, delete("c")).await;
    let first = store.entries(None, 3).await.unwrap();
    assert_eq!(names(&first), ["B", "a", "b"]);
    let second = store.entries(Some("b".to_owned()), 3).await.unwrap();
    assert_eq!(names(&second), ["é"]);
    assert!(store.entries(None, 0).await.unwrap().is_empty());
}

/// Even when a page ends within one commit.
pub async fn changes_come_in_the_order_of_revisions_with_tombstones(store: Arc<dyn Store>) {
    let several = super::support::commit(vec![create_entry("c"), create_entry("a"), create_entry("b")]);
    assert!(super::support::is_done(&store.commit(several).await.unwrap()));
    done(&*store, delete("a")).await;
    let (mut seen, mut from) = (Vec::new(), 0);
    loop {
        let page = store.entries_since(from, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.iter().all(|row| row.revision > from));
        from = last.revision;
        seen.extend(page.into_iter().map(|row| (row.id, row.deleted, row.body)));
    }
    let live = |id: &str| (id.to_owned(), false, json!({ "id": id }));
    assert_eq!(seen, [live("c"), live("b"), ("a".to_owned(), true, Value::Null)]);
}

/// Who knows an older state must read all again.
pub async fn pruned_tombstones_are_not_passed_over_in_silence(store: Arc<dyn Store>) {
    let created = done(&*store, create_entry("a")).await;
    let kept = done(&*store, create_entry("b")).await;
    let deleted = done(&*store, delete("a")).await;
    assert_eq!(store.prune(noon() + SignedDuration::from_hours(24)).await.unwrap(), 0);
    assert_eq!(store.prune(noon() + SignedDuration::from_hours(8 * 24)).await.unwrap(), 1);
    let refused = store.entries_since(created, 10).await.unwrap_err();
    assert_eq!(refused, StoreError::TooOld { asked: created, oldest: deleted });
    assert!(store.entries_since(kept, 10).await.is_err());
    assert!(store.entries_since(deleted, 10).await.unwrap().is_empty());
    assert_eq!(names(&store.entries_since(0, 10).await.unwrap()), ["b"]);
}
