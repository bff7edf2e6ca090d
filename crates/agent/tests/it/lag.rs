//! Several authorities share a store: the one that answers may not have heard of an entry's last change.

use std::sync::atomic::Ordering;

use jiff::SignedDuration;

use crate::support::{Desk, Node, entry, until};

#[tokio::test]
async fn a_certificate_for_an_older_entry_is_asked_for_again_but_not_in_a_circle() {
    let desk = Desk::new();
    desk.quietly(|mood| mood.lags = true);
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    until("it is there", || node.agent.facts().x509_svids == 1).await;
    node.agent.refresh();
    desk.quietly(|mood| mood.lags = false);
    // Another entry comes and is signed: by then the first would have been asked for once more.
    desk.change(|mood| mood.entries.push(entry("b", 0)));
    until("the other entry is there", || node.agent.facts().x509_svids == 2).await;
    assert_eq!(desk.signed.load(Ordering::SeqCst), 2);
    desk.clock.advance(SignedDuration::from_mins(1));
    node.agent.refresh();
    until("later it is asked for again", || desk.signed.load(Ordering::SeqCst) == 3).await;
    desk.clock.advance(SignedDuration::from_mins(1));
    node.agent.refresh();
    desk.change(|mood| mood.entries.push(entry("c", 0)));
    until("the third entry is there", || node.agent.facts().x509_svids == 3).await;
    assert_eq!(desk.signed.load(Ordering::SeqCst), 4, "what is of the entry as it is stays");
}

#[tokio::test]
async fn a_token_for_an_older_entry_is_not_kept_for_the_next_who_asks() {
    let desk = Desk::new();
    desk.quietly(|mood| mood.lags = true);
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    let old = api.fetch_jwt_svid(&["x"], None).await.unwrap().remove(0);
    desk.quietly(|mood| mood.lags = false);
    let new = api.fetch_jwt_svid(&["x"], None).await.unwrap().remove(0);
    assert_ne!(new, old);
    assert_eq!(api.fetch_jwt_svid(&["x"], None).await.unwrap()[0], new);
    assert_eq!(desk.jwts.load(Ordering::SeqCst), 2);
}
