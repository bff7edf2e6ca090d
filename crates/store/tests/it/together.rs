//! Commits of several tasks that share a transaction. The clock stands still, so that nobody is sent off for having waited long.

use std::{sync::Arc, task::Poll};

use carnet_store::{Committed, Options, Store, open};
use futures_util::future::{join_all, poll_fn};
use tempfile::{TempDir, tempdir};
use tokio::{sync::mpsc, task::JoinSet};

use crate::support::{is_done, numbered, store, url};

async fn empty() -> (TempDir, Arc<dyn Store>) {
    let folder = tempdir().unwrap();
    let store = store(&url(&folder.path().join("store.db"))).await;
    (folder, store)
}

#[tokio::test(start_paused = true)]
async fn tasks_that_commit_together_pay_for_one_transaction() {
    let (_folder, store) = empty().await;
    let mut callers = JoinSet::new();
    for number in 0..32 {
        let store = Arc::clone(&store);
        callers.spawn(async move { store.commit(numbered(number)).await.unwrap() });
    }
    assert!(callers.join_all().await.iter().all(is_done));
    assert_eq!(store.transactions(), 1);
}

/// Each wakes the next before it commits.
fn chain(store: Arc<dyn Store>, number: u64, done: mpsc::UnboundedSender<Committed>) {
    tokio::spawn(async move {
        if number > 1 {
            chain(Arc::clone(&store), number - 1, done.clone());
        }
        done.send(store.commit(numbered(number)).await.unwrap()).unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_the_first_waits_is_taken_along() {
    let (_folder, store) = empty().await;
    let (done, mut all) = mpsc::unbounded_channel();
    chain(Arc::clone(&store), 8, done);
    let mut count = 0;
    while let Some(committed) = all.recv().await {
        assert!(is_done(&committed));
        count += 1;
    }
    assert_eq!((count, store.transactions()), (8, 1));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_not_larger_than_it_may_be() {
    let folder = tempdir().unwrap();
    let options = Options { group: 10, ..Options::default() };
    let store = open(&url(&folder.path().join("store.db")), options).await.unwrap();
    let commits = (0..32).map(|number| store.commit(numbered(number)));
    assert!(join_all(commits).await.into_iter().all(|done| is_done(&done.unwrap())));
    assert_eq!(store.transactions(), 4);
}

/// The first of a group sees that it is sent off, even by going away.
#[tokio::test(start_paused = true)]
async fn callers_that_go_away_hold_up_nobody() {
    let (_folder, store) = empty().await;
    let mut first = store.commit(numbered(1));
    let second = store.commit(numbered(2));
    let waits = poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_pending())).await;
    assert!(waits);
    drop(first);
    assert!(is_done(&second.await.unwrap()));
    assert_eq!(store.audit_head().await.unwrap().seq, 2, "who has gone has still committed");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_waits_for_company_is_written_before_the_store_is_closed() {
    let (folder, store) = empty().await;
    let mut waiting = store.commit(numbered(1));
    let waits = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await;
    assert!(waits);
    store.close().await;
    assert!(is_done(&waiting.await.unwrap()));
    let again = crate::support::store(&url(&folder.path().join("store.db"))).await;
    assert_eq!(again.audit_head().await.unwrap().seq, 1);
}
