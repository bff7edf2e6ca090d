//! What reaches an open stream, and what does not.

use std::{sync::atomic::Ordering, time::Duration};

use carnet_attest::{Registration, protocol::RefusalCode};
use carnet_core::ErrorKind;
use carnet_grpc::{
    spiffe_workload::{
        X509BundlesRequest, X509svidRequest, X509svidResponse, spiffe_workload_api_client::SpiffeWorkloadApiClient,
    },
    tonic::{Code, Status, Streaming},
};
use carnet_x509::{Certificate, split_der};
use jiff::SignedDuration;
use tokio::time::timeout;

use crate::support::{Desk, Keys, Node, entry, request, until};

/// The next message; the test fails when there is none.
async fn next(stream: &mut Streaming<X509svidResponse>) -> Result<X509svidResponse, Status> {
    let message = timeout(Duration::from_secs(10), stream.message()).await.expect("a message");
    message.map(|message| message.expect("a message and not the end"))
}

fn ids(message: &X509svidResponse) -> Vec<&str> {
    message.svids.iter().map(|svid| svid.spiffe_id.strip_prefix("spiffe://example.org/").unwrap()).collect()
}

async fn open(node: &Node) -> Streaming<X509svidResponse> {
    let mut client = SpiffeWorkloadApiClient::new(node.channel().await);
    client.fetch_x509svid(request(X509svidRequest {})).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_new_entry_reaches_an_open_stream_within_a_second() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 9)]);
    let node = Node::serving(&desk).await;
    let mut stream = open(&node).await;
    assert_eq!(ids(&next(&mut stream).await.unwrap()), ["a"]);
    desk.change(|mood| mood.entries.push(entry("b", 0)));
    let message = timeout(Duration::from_secs(1), next(&mut stream)).await.expect("it is pushed and not polled for");
    assert_eq!(ids(&message.unwrap()), ["a", "b"]);
}

fn dns_names(message: &X509svidResponse) -> Vec<String> {
    let chain = split_der(&message.svids[0].x509_svid).unwrap();
    Certificate::from_der(&chain[0]).unwrap().dns_names().to_vec()
}

#[tokio::test]
async fn changes_of_an_entry_make_a_new_message_and_other_changes_none() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let mut stream = open(&node).await;
    let first = next(&mut stream).await.unwrap();
    // Somebody else's entry, and a bundle that this workload may not see.
    let other = Keys::of(&"other.org".parse().unwrap(), desk.now());
    desk.change(|mood| {
        let told = ["told:app:other".parse().unwrap()].into_iter().collect();
        mood.entries.push(Registration { selectors: told, ..entry("other", 0) });
        mood.bundles.insert(other.bundle.clone());
    });
    until("the other entry's SVID is there", || node.agent.facts().x509_svids == 2).await;
    desk.change(|mood| mood.entries[0] = Registration { hint: "main".into(), revision: 2, ..entry("a", 0) });
    let hinted = next(&mut stream).await.unwrap();
    assert_eq!(hinted.svids[0].hint, "main", "nothing came before it");
    // The entry is another one, so its SVID is made anew. It may come with the hint or after it.
    if hinted.svids[0].x509_svid == first.svids[0].x509_svid {
        let renewed = next(&mut stream).await.unwrap();
        assert_ne!(renewed.svids[0].x509_svid, first.svids[0].x509_svid);
    }
    desk.change(|mood| {
        let dns_names = vec!["api.example.org".to_owned()];
        mood.entries[0] = Registration { dns_names, revision: 3, hint: "main".into(), ..entry("a", 0) };
    });
    let named = next(&mut stream).await.unwrap();
    assert_eq!(dns_names(&named), ["api.example.org"]);
    let federates_with = ["other.org".parse().unwrap()].into_iter().collect();
    desk.change(|mood| mood.entries[0].federates_with = federates_with);
    let message = next(&mut stream).await.unwrap();
    assert_eq!(message.federated_bundles.into_keys().collect::<Vec<_>>(), ["spiffe://other.org"]);
    assert_eq!(message.svids, named.svids);
    assert_eq!(desk.signed.load(Ordering::SeqCst), 4, "one for each entry and one for each new revision");
}

#[tokio::test]
async fn an_svid_that_was_asked_for_before_a_change_is_asked_for_again_after_it() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let mut stream = open(&node).await;
    next(&mut stream).await.unwrap();
    let gate = desk.gate.acquire_many(100).await.unwrap();
    desk.change(|mood| mood.entries[0].revision = 2);
    until("it is asked for", || desk.signed.load(Ordering::SeqCst) == 2).await;
    desk.change(|mood| {
        let dns_names = vec!["api.example.org".to_owned()];
        mood.entries[0] = Registration { dns_names, revision: 3, ..entry("a", 0) };
    });
    drop(gate);
    // What is known is the second revision, whatever the answer is of.
    until("it is asked for again", || desk.signed.load(Ordering::SeqCst) == 3).await;
    assert_eq!(dns_names(&next(&mut stream).await.unwrap()), ["api.example.org"]);
}

#[tokio::test]
async fn a_changed_bundle_reaches_both_streams() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let mut stream = open(&node).await;
    next(&mut stream).await.unwrap();
    let mut client = SpiffeWorkloadApiClient::new(node.channel().await);
    let mut bundles = client.fetch_x509_bundles(request(X509BundlesRequest {})).await.unwrap().into_inner();
    bundles.message().await.unwrap().unwrap();
    let mut rotated = desk.keys.bundle.clone();
    rotated.x509_authorities.extend(Keys::of(&rotated.trust_domain, desk.now()).bundle.x509_authorities);
    desk.change(|mood| drop(mood.bundles.insert(rotated.clone())));
    assert_eq!(next(&mut stream).await.unwrap().svids[0].bundle, rotated.x509_der());
    let message = bundles.message().await.unwrap().unwrap();
    assert_eq!(message.bundles["spiffe://example.org"], rotated.x509_der());
}

#[tokio::test]
async fn whoever_loses_the_last_identity_loses_the_stream() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 9), entry("b", 0)]);
    let node = Node::serving(&desk).await;
    let mut stream = open(&node).await;
    next(&mut stream).await.unwrap();
    desk.change(|mood| drop(mood.entries.pop()));
    assert_eq!(ids(&next(&mut stream).await.unwrap()), ["a"]);
    desk.change(|mood| mood.entries.clear());
    let status = next(&mut stream).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "no identity issued"));
    until("its SVID is forgotten", || node.agent.facts().x509_svids == 0).await;
}

#[tokio::test]
async fn an_entry_that_ends_is_gone_at_its_end() {
    let desk = Desk::new();
    let ends = desk.now() + SignedDuration::from_secs(60);
    desk.change(|mood| mood.entries = vec![Registration { expires_at: Some(ends), ..entry("a", 0) }]);
    let node = Node::serving(&desk).await;
    let mut stream = open(&node).await;
    next(&mut stream).await.unwrap();
    desk.clock.advance(SignedDuration::from_secs(60));
    node.agent.refresh();
    assert_eq!(next(&mut stream).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn an_svid_is_renewed_at_half_of_its_life() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let mut stream = open(&node).await;
    let first = next(&mut stream).await.unwrap();
    desk.clock.advance(SignedDuration::from_mins(20));
    node.agent.refresh();
    assert_eq!(node.api().await.fetch_x509_svid().await.unwrap().svids[0].certificates, first.svids[0].x509_svid);
    assert_eq!(desk.signed.load(Ordering::SeqCst), 1);
    desk.clock.advance(SignedDuration::from_mins(10));
    node.agent.refresh();
    let second = next(&mut stream).await.unwrap();
    assert_ne!(second.svids[0].x509_svid, first.svids[0].x509_svid);
    assert_ne!(second.svids[0].x509_svid_key, first.svids[0].x509_svid_key);
}

#[tokio::test]
async fn streams_end_unavailable_when_the_agent_does() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let mut stream = open(&node).await;
    next(&mut stream).await.unwrap();
    let path = node.path();
    let stopped = tokio::spawn(node.agent.shutdown());
    assert_eq!(next(&mut stream).await.unwrap_err().code(), Code::Unavailable);
    drop(stream);
    stopped.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn an_agent_that_is_turned_away_serves_nothing_any_more() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let mut stream = open(&node).await;
    next(&mut stream).await.unwrap();
    desk.change(|mood| mood.refuse = Some(RefusalCode::Banned));
    let status = next(&mut stream).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "no identity issued"));
    let error = node.agent.reach(carnet_agent::Phase::Serving).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Policy);
    // Also when the authority changes its mind: an operator restarts the agent.
    desk.change(|mood| mood.refuse = None);
    node.agent.refresh();
    assert_eq!(node.api().await.fetch_jwt_svid(&["x"], None).await.unwrap_err().kind(), ErrorKind::NotHere);
    assert!(node.agent.facts().problem.unwrap().contains("as the test says"));
}

#[tokio::test]
async fn what_the_authority_refuses_holds_up_nothing_else() {
    let desk = Desk::new();
    // An entry whose identity the authority does not give: it is not in its own list when it signs.
    desk.change(|mood| mood.entries = vec![entry("a", 0), entry("b", 9)]);
    let node = Node::serving(&desk).await;
    until("both are ready", || node.agent.facts().x509_svids == 2).await;
    desk.quietly(|mood| drop(mood.entries.pop()));
    desk.clock.advance(SignedDuration::from_mins(30));
    node.agent.refresh();
    until("one was renewed and one refused", || desk.signed.load(Ordering::SeqCst) == 4).await;
    let svids = node.api().await.fetch_x509_svid().await.unwrap().svids;
    assert_eq!(svids.len(), 1, "{svids:?}");
}
