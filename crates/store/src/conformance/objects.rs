//! Named documents and signing keys.

use std::sync::Arc;

use serde_json::json;

use super::support::{after, conflict, done, key, reason, record};
use crate::{ConflictReason, Expect, KeyRow, Object, ObjectKind, Op, Outcome, Store, settle};

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

/// [`settle`], by two at once and by one who comes later.
pub async fn what_is_said_of_a_store_once_is_said_by_the_first(store: Arc<dyn Store>) {
    let say =
        async |what: &str| settle(&*store, "name", json!({ "is": what }), record(Outcome::Allowed)).await.unwrap();
    let (one, other) = tokio::join!(say("a"), say("b"));
    assert_eq!(one, other);
    assert!([json!({ "is": "a" }), json!({ "is": "b" })].contains(&one), "{one}");
    assert_eq!(say("c").await, one);
    let kept = store.object(ObjectKind::Setting, "name".to_owned()).await.unwrap().unwrap();
    assert_eq!((kept.body, store.audit_head().await.unwrap().seq), (one, 1));
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
