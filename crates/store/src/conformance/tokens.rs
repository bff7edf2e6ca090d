//! Issued tokens.

use std::sync::Arc;

use super::support::{after, commit, done, is_done, noon, reason, token};
use crate::{Committed, ConflictReason, Op, Store, TokenFilter, TokenRow, TokenState};

fn use_token(id: &str) -> Op {
    Op::UseToken { id: id.to_owned(), now: noon() }
}

async fn uses_left(store: &dyn Store, id: &str) -> Option<u64> {
    store.token(id.to_owned()).await.unwrap().unwrap().uses_left
}

/// [`Op::InsertToken`] and [`Op::UseToken`], and every column.
pub async fn a_token_is_used_as_often_as_it_may_be(store: Arc<dyn Store>) {
    done(&*store, Op::InsertToken(token("a", Some(2)))).await;
    assert_eq!(reason(&*store, Op::InsertToken(token("a", None))).await, ConflictReason::Exists);
    assert_eq!(store.token("a".to_owned()).await.unwrap(), Some(token("a", Some(2))));
    done(&*store, use_token("a")).await;
    assert_eq!(uses_left(&*store, "a").await, Some(1));
    done(&*store, use_token("a")).await;
    assert_eq!(reason(&*store, use_token("a")).await, ConflictReason::Used);
    assert_eq!(uses_left(&*store, "a").await, Some(0));
    assert_eq!(reason(&*store, use_token("b")).await, ConflictReason::NotFound);
    assert_eq!(store.token("b".to_owned()).await.unwrap(), None);
}

/// The last use on two ways at once.
pub async fn only_one_of_two_racing_uses_takes_the_last(store: Arc<dyn Store>) {
    for number in 0..20 {
        let id = number.to_string();
        done(&*store, Op::InsertToken(token(&id, Some(1)))).await;
        let (a, b) =
            tokio::join!(store.commit(commit(vec![use_token(&id)])), store.commit(commit(vec![use_token(&id)])));
        assert_eq!([a.unwrap(), b.unwrap()].iter().filter(|one| is_done(one)).count(), 1);
        assert_eq!(uses_left(&*store, &id).await, Some(0));
    }
}

/// Nothing is counted.
pub async fn a_token_without_limit_can_be_used_on_and_on(store: Arc<dyn Store>) {
    let bare = TokenRow { actor: None, networks: Vec::new(), ..token("a", None) };
    done(&*store, Op::InsertToken(bare.clone())).await;
    for _ in 0..3 {
        done(&*store, use_token("a")).await;
    }
    assert_eq!(store.token("a".to_owned()).await.unwrap(), Some(bare));
}

/// At the very second, too.
pub async fn rejects_a_token_that_has_expired(store: Arc<dyn Store>) {
    done(&*store, Op::InsertToken(token("a", Some(5)))).await;
    let at = |now| Op::UseToken { id: "a".to_owned(), now };
    assert_eq!(reason(&*store, at(after(300))).await, ConflictReason::Expired);
    done(&*store, at(after(299))).await;
    assert_eq!(uses_left(&*store, "a").await, Some(4));
}

/// [`Op::RevokeToken`], which can be said twice.
pub async fn rejects_a_token_that_was_revoked(store: Arc<dyn Store>) {
    done(&*store, Op::InsertToken(token("a", Some(5)))).await;
    let revoke = |id: &str, now| Op::RevokeToken { id: id.to_owned(), now };
    let first = done(&*store, revoke("a", after(1))).await;
    assert_eq!(done(&*store, revoke("a", after(2))).await, first);
    assert_eq!(store.token("a".to_owned()).await.unwrap().unwrap().revoked_at, Some(after(1)));
    assert_eq!(reason(&*store, use_token("a")).await, ConflictReason::Revoked);
    assert_eq!(reason(&*store, revoke("b", after(1))).await, ConflictReason::NotFound);
}

/// [`Op::SupersedeToken`], which gives the place of a token away once, and none of a token that was revoked.
pub async fn rejects_a_successor_of_a_token_that_was_revoked(store: Arc<dyn Store>) {
    for id in ["a", "b"] {
        done(&*store, Op::InsertToken(token(id, None))).await;
    }
    let supersede = |id: &str, by: &str| {
        let ops = vec![Op::SupersedeToken { id: id.to_owned(), now: after(2) }, Op::InsertToken(token(by, None))];
        store.commit(commit(ops))
    };
    done(&*store, Op::RevokeToken { id: "a".to_owned(), now: after(1) }).await;
    let refused = [("a", ConflictReason::Revoked), ("none", ConflictReason::NotFound), ("b", ConflictReason::Revoked)];
    assert!(is_done(&supersede("b", "b2").await.unwrap()));
    assert_eq!(store.token("b".to_owned()).await.unwrap().unwrap().revoked_at, Some(after(2)));
    for (id, wanted) in refused {
        let Committed::Conflict(conflict) = supersede(id, "next").await.unwrap() else {
            panic!("{id} has a successor")
        };
        assert_eq!((conflict.op, conflict.reason), (0, wanted), "{id}");
    }
    assert_eq!(store.token("next".to_owned()).await.unwrap(), None);
    assert_eq!(store.token("a".to_owned()).await.unwrap().unwrap().revoked_at, Some(after(1)));
}

/// Two renewals on two ways at once.
pub async fn only_one_of_two_racing_successors_takes_the_place(store: Arc<dyn Store>) {
    for number in 0..20 {
        let id = number.to_string();
        done(&*store, Op::InsertToken(token(&id, None))).await;
        let next = |by: &str| {
            let op = Op::SupersedeToken { id: id.clone(), now: noon() };
            store.commit(commit(vec![op, Op::InsertToken(token(&format!("{id}{by}"), None))]))
        };
        let (a, b) = tokio::join!(next("a"), next("b"));
        assert_eq!([a.unwrap(), b.unwrap()].iter().filter(|one| is_done(one)).count(), 1);
    }
}

/// [`Store::tokens`] and its filter, which agrees with [`TokenRow::state`].
pub async fn tokens_are_listed_by_what_they_are_and_how_they_stand(store: Arc<dyn Store>) {
    let other = |id: &str| TokenRow { subject: "spiffe://example.org/other".to_owned(), ..token(id, Some(3)) };
    let rows = [
        token("active", Some(1)),
        TokenRow { expires_at: noon(), ..token("expired", None) },
        TokenRow { rule: "others".to_owned(), ..token("for-ever", None) },
        other("other"),
        TokenRow { revoked_at: Some(after(-5)), expires_at: after(-1), ..token("revoked", Some(0)) },
        token("used", Some(0)),
    ];
    for row in &rows {
        done(&*store, Op::InsertToken(row.clone())).await;
    }
    let read = |filter: TokenFilter| {
        let store = Arc::clone(&store);
        async move { store.tokens(filter, None, 100).await.unwrap() }
    };
    assert_eq!(read(TokenFilter::default()).await, rows);
    let names = |rows: Vec<TokenRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let of = |state| TokenFilter { states: vec![state], now: noon(), ..TokenFilter::default() };
    for state in [TokenState::Active, TokenState::UsedUp, TokenState::Revoked, TokenState::Expired] {
        let wanted: Vec<TokenRow> = rows.iter().filter(|row| row.state(noon()) == state).cloned().collect();
        assert!(!wanted.is_empty());
        assert_eq!(read(of(state)).await, wanted, "{state:?}");
    }
    let both = TokenFilter {
        rule: Some("jobs".to_owned()),
        states: vec![TokenState::UsedUp, TokenState::Active],
        ..of(TokenState::Active)
    };
    assert_eq!(names(read(both.clone()).await), ["active", "other", "used"]);
    let subject = Some("spiffe://example.org/other".to_owned());
    assert_eq!(names(read(TokenFilter { subject, ..both }).await), ["other"]);
    let none = TokenFilter { rule: Some("job\0".to_owned()), ..TokenFilter::default() };
    assert_eq!(read(none).await, []);
}

/// By `jti`, byte for byte.
pub async fn tokens_come_in_pages(store: Arc<dyn Store>) {
    for id in ["b", "B", "a", "ä"] {
        done(&*store, Op::InsertToken(token(id, None))).await;
    }
    let page = |after: Option<&str>| store.tokens(TokenFilter::default(), after.map(ToOwned::to_owned), 2);
    let names = |rows: Vec<TokenRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(names(page(None).await.unwrap()), ["B", "a"]);
    assert_eq!(names(page(Some("a")).await.unwrap()), ["b", "ä"]);
    assert_eq!(names(page(Some("ä")).await.unwrap()), [""; 0]);
}
