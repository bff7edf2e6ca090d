//! What can be used once.

use std::sync::Arc;

use serde_json::json;

use super::support::{after, commit, conflict, done, is_done, join_token, noon, reason, use_once};
use crate::{Committed, ConflictReason, Op, Store};

/// [`Op::UseOnce`].
pub async fn a_key_is_used_once(store: Arc<dyn Store>) {
    done(&*store, use_once(1)).await;
    assert_eq!(reason(&*store, use_once(1)).await, ConflictReason::Used);
    done(&*store, use_once(2)).await;
}

/// The same key on two ways at once.
pub async fn only_one_of_two_racing_uses_wins(store: Arc<dyn Store>) {
    for key in 0..20 {
        let (a, b) = tokio::join!(store.commit(commit(vec![use_once(key)])), store.commit(commit(vec![use_once(key)])));
        assert_eq!([a.unwrap(), b.unwrap()].iter().filter(|one| is_done(one)).count(), 1);
    }
}

fn consume(hash: u8) -> Op {
    Op::ConsumeJoinToken { hash: [hash; 32], now: noon() }
}

/// [`Op::CreateJoinToken`] and [`Op::ConsumeJoinToken`], whose row is returned.
pub async fn a_join_token_is_consumed_once(store: Arc<dyn Store>) {
    done(&*store, Op::CreateJoinToken(join_token(1))).await;
    assert_eq!(reason(&*store, Op::CreateJoinToken(join_token(1))).await, ConflictReason::Exists);
    let Committed::Done { returned, .. } = store.commit(commit(vec![use_once(9), consume(1)])).await.unwrap() else {
        panic!("the join token was not consumed");
    };
    assert_eq!(returned, [json!(join_token(1))]);
    assert_eq!(serde_json::from_value::<crate::JoinTokenRow>(returned[0].clone()).unwrap(), join_token(1));
    assert_eq!(reason(&*store, consume(1)).await, ConflictReason::NotFound);
}

/// The same join token on two ways at once.
pub async fn only_one_of_two_racing_consumers_gets_the_join_token(store: Arc<dyn Store>) {
    for hash in 0..20 {
        done(&*store, Op::CreateJoinToken(join_token(hash))).await;
        let (a, b) = tokio::join!(store.commit(commit(vec![consume(hash)])), store.commit(commit(vec![consume(hash)])));
        assert_eq!([a.unwrap(), b.unwrap()].iter().filter(|one| is_done(one)).count(), 1);
    }
}

/// At the very second it expires, too.
pub async fn rejects_a_join_token_that_has_expired(store: Arc<dyn Store>) {
    done(&*store, Op::CreateJoinToken(join_token(1))).await;
    let late = Op::ConsumeJoinToken { hash: [1; 32], now: after(600) };
    let refused = conflict(&*store, late).await;
    assert_eq!((refused.op, refused.reason), (0, ConflictReason::Expired));
    // That somebody looks does not take it.
    assert_eq!(store.join_token([1; 32], after(600)).await.unwrap(), None);
    assert_eq!(store.join_token([1; 32], after(599)).await.unwrap(), Some(join_token(1)));
    done(&*store, Op::ConsumeJoinToken { hash: [1; 32], now: after(599) }).await;
    assert_eq!(store.join_token([1; 32], after(599)).await.unwrap(), None);
}

/// [`Store::join_tokens`] and [`Op::DeleteJoinToken`].
pub async fn join_tokens_are_listed_and_deleted(store: Arc<dyn Store>) {
    let mut later = join_token(1);
    later.expires_at = after(700);
    later.agent_path = None;
    done(&*store, Op::CreateJoinToken(later.clone())).await;
    done(&*store, Op::CreateJoinToken(join_token(2))).await;
    assert_eq!(store.join_tokens(noon()).await.unwrap(), [join_token(2), later.clone()]);
    assert_eq!(store.join_tokens(after(600)).await.unwrap(), [later]);
    done(&*store, Op::DeleteJoinToken { hash: [1; 32] }).await;
    assert_eq!(reason(&*store, Op::DeleteJoinToken { hash: [1; 32] }).await, ConflictReason::NotFound);
    assert_eq!(store.join_tokens(noon()).await.unwrap(), [join_token(2)]);
}
