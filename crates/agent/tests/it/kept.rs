//! What counts is not given up for an authority that cannot give another just now, or whose clock is ahead.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use carnet_attest::protocol::RefusalCode;
use carnet_grpc::{WorkloadApi, X509Svid};
use jiff::SignedDuration;

use crate::{
    mood::Mood,
    support::{Desk, Node, entry, until},
};

/// An agent whose SVID is at half of its life when the authority changes like this; it has been asked for another.
struct Scene {
    desk: Arc<Desk>,
    node: Node,
    api: WorkloadApi,
    first: X509Svid,
}

impl Scene {
    async fn at_half_life(change: impl FnOnce(&mut Mood)) -> Self {
        let desk = Desk::new();
        desk.change(|mood| mood.entries = vec![entry("a", 0)]);
        let node = Node::start_with(&desk, |settings| settings.patience = Duration::from_millis(50));
        until("it is there", || node.agent.facts().x509_svids == 1).await;
        let api = node.api().await;
        let first = api.fetch_x509_svid().await.unwrap().svids.remove(0);
        desk.quietly(change);
        desk.clock.advance(SignedDuration::from_mins(31));
        ask_again(&desk, &node).await;
        Self { desk, node, api, first }
    }

    /// What the workload gets for its entry now.
    async fn svid(&self) -> Option<X509Svid> {
        let svids = self.api.fetch_x509_svid().await.map(|context| context.svids).unwrap_or_default();
        svids.into_iter().find(|svid| svid.spiffe_id == self.first.spiffe_id)
    }
}

/// Until the authority has been asked for another SVID, and the answer is known.
async fn ask_again(desk: &Desk, node: &Node) {
    let asked = desk.signed.load(Ordering::SeqCst);
    node.agent.refresh();
    until("another is asked for", || desk.signed.load(Ordering::SeqCst) > asked).await;
    // What is asked for next is asked for once that answer has been taken up.
    let other = format!("other-{asked}");
    desk.change(|mood| mood.entries.push(entry(&other, 0)));
    until("one more is asked for", || desk.signed.load(Ordering::SeqCst) > asked + 1).await;
    desk.change(|mood| mood.entries.retain(|entry| entry.id != other));
}

#[tokio::test]
async fn an_svid_that_counts_outlives_an_authority_that_cannot_write() {
    for code in [RefusalCode::Unavailable, RefusalCode::TooMany] {
        let scene = Scene::at_half_life(|mood| mood.none = Some(code)).await;
        assert_eq!(scene.svid().await.as_ref(), Some(&scene.first));
        scene.desk.quietly(|mood| mood.none = None);
        scene.desk.clock.advance(SignedDuration::from_mins(1));
        ask_again(&scene.desk, &scene.node).await;
        let second = scene.svid().await;
        assert!(second.is_some_and(|second| second != scene.first), "it is asked for again soon");
    }
}

#[tokio::test]
async fn an_svid_that_the_authority_decides_against_is_given_up() {
    let scene = Scene::at_half_life(|mood| mood.none = Some(RefusalCode::NotAuthorized)).await;
    assert_eq!(scene.svid().await, None);
}

#[tokio::test]
async fn an_svid_that_counts_is_not_replaced_by_one_that_is_not_valid_yet() {
    let scene = Scene::at_half_life(|mood| mood.ahead = SignedDuration::from_secs(61)).await;
    assert_eq!(scene.svid().await.as_ref(), Some(&scene.first));
    let scene = Scene::at_half_life(|mood| mood.ahead = SignedDuration::from_secs(60)).await;
    assert!(scene.svid().await.is_some_and(|second| second != scene.first), "clocks may disagree a little");
}

#[tokio::test]
async fn a_token_that_counts_is_not_replaced_by_one_of_the_future() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    let first = api.fetch_jwt_svid(&["x"], None).await.unwrap();
    desk.quietly(|mood| mood.ahead = SignedDuration::from_secs(61));
    desk.clock.advance(SignedDuration::from_mins(3));
    assert_eq!(api.fetch_jwt_svid(&["x"], None).await.unwrap(), first);
    // Whose clock is wrong nobody knows: with nothing else it is given, but not kept.
    let early = api.fetch_jwt_svid(&["y"], None).await.unwrap();
    desk.quietly(|mood| mood.ahead = SignedDuration::from_secs(60));
    assert_ne!(api.fetch_jwt_svid(&["y"], None).await.unwrap(), early);
    let kept = api.fetch_jwt_svid(&["z"], None).await.unwrap();
    assert_eq!(api.fetch_jwt_svid(&["z"], None).await.unwrap(), kept);
}

#[tokio::test]
async fn who_has_nothing_is_given_an_svid_of_the_future_and_it_is_asked_for_again_soon() {
    let desk = Desk::new();
    let node = Node::serving(&desk).await;
    desk.quietly(|mood| mood.ahead = SignedDuration::from_secs(61));
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    until("it is there", || node.agent.facts().x509_svids == 1).await;
    let api = node.api().await;
    let first = api.fetch_x509_svid().await.unwrap().svids.remove(0);
    desk.quietly(|mood| mood.ahead = SignedDuration::ZERO);
    desk.clock.advance(SignedDuration::from_mins(1));
    ask_again(&desk, &node).await;
    let scene = Scene { desk, node, api, first };
    assert!(scene.svid().await.is_some_and(|second| second != scene.first));
}
