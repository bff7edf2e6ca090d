//! Named documents and signing keys.

use std::sync::Arc;

use serde_json::json;

use super::support::{after, conflict, done, key, reason};
use crate::{ConflictReason, Expect, KeyRow, Object, ObjectKind, Op, Store};

fn put(name: &str, body: &str, expect: Expect) -> Op {
    Op::PutObject { kind: ObjectKind::Rule, name: name.to_owned(), body: json!({ "is": body }), expect }
}

/// [`Expect`], each way, and reading and deleting.
pub async fn an_object_is_put_as_expected(store: Arc<dyn Store>) {
    assert_eq!(reason(&*store, put("b", "x", Expect::Revision(1))).await, ConflictReason::NotFound);
    let first = done(&*store, put("b", "one", Expect::Absent)).await;
    let refused = conflict(&*store, put("b", "two", Expect::Absent)).await;
    let existing = json!({ "kind": "rule", "name": "b", "body": { "is": "one" }, "revision": first });
    assert_eq!((refused.reason, refused.existing), (ConflictReason::Exists, Some(existing)));
    let second = done(&*store, put("b", "two", Expect::Revision(first))).await;
    let refused = conflict(&*store, put("b", "three", Expect::Revision(first))).await;
    assert_eq!((refused.reason, refused.existing.unwrap()["revision"].as_u64()), (ConflictReason::Stale, Some(second)));
    let third = done(&*store, put("b", "three", Expect::Any)).await;
    let fourth = done(&*store, put("a", "other", Expect::Any)).await;
    let object = |name: &str, body: &str, revision| Object {
        kind: ObjectKind::Rule,
        name: name.to_owned(),
        body: json!({ "is": body }),
        revision,
    };
    let all = store.objects(ObjectKind::Rule).await.unwrap();
    assert_eq!(all, [object("a", "other", fourth), object("b", "three", third)]);
    assert!(store.objects(ObjectKind::Issuer).await.unwrap().is_empty());
    let one = store.object(ObjectKind::Rule, "b".to_owned()).await.unwrap();
    assert_eq!(one, Some(object("b", "three", third)));
    let delete = |kind| Op::DeleteObject { kind, name: "b".to_owned() };
    assert_eq!(reason(&*store, delete(ObjectKind::Client)).await, ConflictReason::NotFound);
    done(&*store, delete(ObjectKind::Rule)).await;
    assert_eq!(store.object(ObjectKind::Rule, "b".to_owned()).await.unwrap(), None);
}

/// [`Op::InsertKey`], and every column of it.
pub async fn a_key_row_is_kept_whole(store: Arc<dyn Store>) {
    let first = done(&*store, Op::InsertKey(key("a"))).await;
    assert_eq!(reason(&*store, Op::InsertKey(key("a"))).await, ConflictReason::Exists);
    let plain = KeyRow { certificate: Vec::new(), node: None, created_at: after(-1), ..key("b") };
    let second = done(&*store, Op::InsertKey(plain.clone())).await;
    let kept = [KeyRow { revision: second, ..plain }, KeyRow { revision: first, ..key("a") }];
    assert!(store.keys().await.unwrap() == kept, "a key is not as it was inserted");
}

/// [`Op::UpdateKey`] and [`Op::DeleteKey`].
pub async fn rejects_a_key_row_that_has_changed(store: Arc<dyn Store>) {
    let first = done(&*store, Op::InsertKey(key("a"))).await;
    let revoked = KeyRow { stage: "revoked".to_owned(), revoked_at: Some(after(5)), ..key("a") };
    let second = done(&*store, Op::UpdateKey { row: revoked.clone(), expect: first }).await;
    let stale = Op::UpdateKey { row: key("a"), expect: first };
    assert_eq!(reason(&*store, stale).await, ConflictReason::Stale);
    assert!(
        store.keys().await.unwrap() == [KeyRow { revision: second, ..revoked }],
        "the key is not as it was updated"
    );
    let absent = Op::UpdateKey { row: key("b"), expect: first };
    assert_eq!(reason(&*store, absent).await, ConflictReason::NotFound);
    done(&*store, Op::DeleteKey { kid: "a".to_owned() }).await;
    assert_eq!(reason(&*store, Op::DeleteKey { kid: "a".to_owned() }).await, ConflictReason::NotFound);
    assert!(store.keys().await.unwrap().is_empty());
}
