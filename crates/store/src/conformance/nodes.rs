//! Attested nodes.

use std::sync::Arc;

use super::support::{conflict, done, node, reason};
use crate::{ConflictReason, NodeRow, Op, Store};

/// [`Op::PutNode`] and [`Op::DeleteNode`], and every column.
pub async fn a_node_is_kept_whole(store: Arc<dyn Store>) {
    done(&*store, Op::PutNode(node("spiffe://example.org/b"))).await;
    let first = done(&*store, Op::PutNode(node("spiffe://example.org/a"))).await;
    let banned = NodeRow { banned: true, reattestable: false, ..node("spiffe://example.org/b") };
    let second = done(&*store, Op::PutNode(banned.clone())).await;
    let banned = NodeRow { revision: second, ..banned };
    let all = store.nodes(None, 10).await.unwrap();
    assert_eq!(all, [NodeRow { revision: first, ..node("spiffe://example.org/a") }, banned.clone()]);
    assert_eq!(store.nodes(None, 1).await.unwrap().len(), 1);
    assert_eq!(
        store.nodes(Some("spiffe://example.org/a".to_owned()), 10).await.unwrap(),
        std::slice::from_ref(&banned)
    );
    assert_eq!(store.node(banned.id.clone()).await.unwrap(), Some(banned.clone()));
    done(&*store, Op::DeleteNode { id: banned.id.clone() }).await;
    assert_eq!(reason(&*store, Op::DeleteNode { id: banned.id.clone() }).await, ConflictReason::NotFound);
    assert_eq!(store.node(banned.id).await.unwrap(), None);
}

/// [`Op::InsertNode`]: trust on first use.
pub async fn a_node_is_inserted_once(store: Arc<dyn Store>) {
    let revision = done(&*store, Op::InsertNode(node("spiffe://example.org/a"))).await;
    let second = NodeRow { serial: "ff".to_owned(), ..node("spiffe://example.org/a") };
    let refused = conflict(&*store, Op::InsertNode(second)).await;
    assert_eq!(refused.reason, ConflictReason::Exists);
    let kept = NodeRow { revision, ..node("spiffe://example.org/a") };
    assert_eq!(serde_json::from_value::<NodeRow>(refused.existing.unwrap()).unwrap(), kept);
    assert_eq!(store.node(kept.id.clone()).await.unwrap(), Some(kept));
}

/// [`Op::UpdateNode`].
pub async fn rejects_a_node_that_has_changed(store: Arc<dyn Store>) {
    let first = done(&*store, Op::InsertNode(node("spiffe://example.org/a"))).await;
    let renewed = NodeRow { serial: "ff".to_owned(), ..node("spiffe://example.org/a") };
    let second = done(&*store, Op::UpdateNode { row: renewed.clone(), expect: first }).await;
    let kept = NodeRow { revision: second, ..renewed };
    assert_eq!(store.node(kept.id.clone()).await.unwrap(), Some(kept.clone()));
    let refused = conflict(&*store, Op::UpdateNode { row: node("spiffe://example.org/a"), expect: first }).await;
    assert_eq!(refused.reason, ConflictReason::Stale);
    assert_eq!(serde_json::from_value::<NodeRow>(refused.existing.unwrap()).unwrap(), kept);
    assert_eq!(store.node(kept.id.clone()).await.unwrap(), Some(kept));
    let absent = Op::UpdateNode { row: node("spiffe://example.org/b"), expect: first };
    assert_eq!(reason(&*store, absent).await, ConflictReason::NotFound);
}
