//! Authorities that are tainted: what they signed is replaced at once.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use carnet_core::hex;
use carnet_grpc::{
    spiffe_workload::{
        JwtBundlesRequest, X509svidRequest, X509svidResponse, spiffe_workload_api_client::SpiffeWorkloadApiClient,
    },
    tonic::Streaming,
};
use carnet_jose::UnverifiedJwt;
use carnet_x509::{Authority, Certificate, split_der};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    mood::Mood,
    support::{Desk, Keys, Node, entry, request, until},
};

async fn open(node: &Node) -> Streaming<X509svidResponse> {
    let mut client = SpiffeWorkloadApiClient::new(node.channel().await);
    client.fetch_x509svid(request(X509svidRequest {})).await.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<X509svidResponse>) -> X509svidResponse {
    timeout(Duration::from_secs(10), stream.message()).await.expect("a message").unwrap().unwrap()
}

/// Whether a JWK set has a key.
fn has_kid(keys: &[u8]) -> bool {
    serde_json::from_slice::<Value>(keys).unwrap()["keys"][0]["kid"].is_string()
}

fn key_id(authority: &Authority) -> String {
    hex(Certificate::from_der(authority.certificate()).unwrap().key_id().unwrap())
}

fn signed_by(message: &X509svidResponse) -> String {
    let chain = split_der(&message.svids[0].x509_svid).unwrap();
    hex(Certificate::from_der(&chain[0]).unwrap().authority_key_id().unwrap())
}

/// Another authority takes the place of the first, which is tainted; the bundle has both.
fn replace(desk: &Desk, mood: &mut Mood, root: &Arc<Authority>) {
    let mut bundle = desk.keys.bundle.clone();
    bundle.x509_authorities.push(root.certificate().to_vec());
    drop(mood.bundles.insert(bundle));
    mood.tainted = BTreeSet::from([key_id(&desk.keys.root)]);
    mood.root = Some(Arc::clone(root));
}

#[tokio::test]
async fn what_a_tainted_authority_signed_is_replaced_on_open_streams_at_once() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let mut stream = open(&node).await;
    assert_eq!(signed_by(&next(&mut stream).await), key_id(&desk.keys.root));
    let second = Keys::of(&crate::support::domain(), desk.now());
    let root = Arc::new(second.root);
    // The clock stands: nothing is due for its age.
    desk.change(|mood| replace(&desk, mood, &root));
    let replaced = loop {
        let message = next(&mut stream).await;
        if signed_by(&message) == key_id(&root) {
            break message;
        }
    };
    assert_eq!(split_der(&replaced.svids[0].bundle).unwrap().len(), 2, "others may still show the old one");
    until("the agent has another SVID, too", || desk.renewed.load(Ordering::SeqCst) == 1).await;
    assert_eq!(desk.attested.load(Ordering::SeqCst), 1);
    // Then it is revoked: the root goes, and nothing else is asked for.
    let mut revoked = desk.keys.bundle.clone();
    revoked.x509_authorities = vec![root.certificate().to_vec()];
    desk.change(|mood| drop(mood.bundles.insert(revoked.clone())));
    let message = next(&mut stream).await;
    assert_eq!(message.svids[0].bundle, revoked.x509_der());
    assert_eq!(message.svids[0].x509_svid, replaced.svids[0].x509_svid);
    assert_eq!((desk.signed.load(Ordering::SeqCst), desk.renewed.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn an_authority_that_signs_with_a_tainted_key_is_not_asked_in_a_circle() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 9)]);
    let node = Node::serving(&desk).await;
    let mut stream = open(&node).await;
    next(&mut stream).await;
    desk.change(|mood| mood.tainted = BTreeSet::from([key_id(&desk.keys.root)]));
    until("it was asked again", || desk.signed.load(Ordering::SeqCst) == 2).await;
    until("for the agent as well", || desk.renewed.load(Ordering::SeqCst) == 1).await;
    // Another entry comes and is signed: by then the first would have been asked for once more.
    desk.change(|mood| mood.entries.push(entry("b", 0)));
    until("the other entry is there", || node.agent.facts().x509_svids == 2).await;
    node.agent.refresh();
    desk.change(|mood| mood.entries.push(entry("c", 0)));
    until("and the next", || node.agent.facts().x509_svids == 3).await;
    assert_eq!((desk.signed.load(Ordering::SeqCst), desk.renewed.load(Ordering::SeqCst)), (4, 1));
    desk.clock.advance(SignedDuration::from_mins(1));
    node.agent.refresh();
    until("later it is asked again", || desk.signed.load(Ordering::SeqCst) == 7).await;
}

#[tokio::test]
async fn an_agent_whose_evidence_is_used_up_is_not_lost_by_a_call_for_its_last_svid() {
    let desk = Desk::new();
    desk.quietly(|mood| mood.reattestable = false);
    let node = Node::serving(&desk).await;
    desk.change(|mood| {
        mood.stale = true;
        mood.entries = vec![entry("a", 0)];
    });
    until("it was asked again with the SVID of the moment", || node.agent.facts().x509_svids == 1).await;
    until("the agent's SVID was renewed", || desk.renewed.load(Ordering::SeqCst) == 1).await;
    assert_eq!(desk.attested.load(Ordering::SeqCst), 1, "the evidence was good once");
}

#[tokio::test]
async fn a_token_whose_key_was_revoked_is_not_given_again() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    let first = api.fetch_jwt_svid(&["x"], None).await.unwrap();
    let again = api.fetch_jwt_svid(&["x"], None).await.unwrap();
    assert_eq!(first[0].token.expose(), again[0].token.expose());
    let mut without = desk.keys.bundle.clone();
    without.jwt_authorities.clear();
    desk.change(|mood| drop(mood.bundles.insert(without)));
    until("it is forgotten", || node.agent.facts().jwt_svids == 0).await;
    // A token by a key that the agent has not been told of waits until it is.
    let other = tokio::spawn(async move { api.fetch_jwt_svid(&["x"], None).await });
    until("it is asked for", || desk.jwts.load(Ordering::SeqCst) == 2).await;
    desk.change(|mood| drop(mood.bundles.insert(desk.keys.bundle.clone())));
    let other = other.await.unwrap().unwrap();
    assert_ne!(first[0].token.expose(), other[0].token.expose());
    assert_eq!(desk.jwts.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_whose_key_is_revoked_while_it_is_on_its_way_is_neither_given_nor_kept() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 9)]);
    let node = Node::serving(&desk).await;
    until("the first SVID is there", || node.agent.facts().x509_svids == 1).await;
    let api = node.api().await;
    let gate = desk.gate.acquire_many(100).await.unwrap();
    let asked = tokio::spawn(async move { api.fetch_jwt_svid(&["x"], None).await });
    until("it is asked for", || desk.jwts.load(Ordering::SeqCst) == 1).await;
    let mut without = desk.keys.bundle.clone();
    without.jwt_authorities.clear();
    let mut stream = SpiffeWorkloadApiClient::new(node.channel().await);
    let mut stream = stream.fetch_jwt_bundles(request(JwtBundlesRequest {})).await.unwrap().into_inner();
    desk.change(|mood| drop(mood.bundles.insert(without)));
    timeout(Duration::from_secs(10), async {
        while stream.message().await.unwrap().unwrap().bundles.values().any(|keys| has_kid(keys)) {
            // The bundle of before.
        }
    })
    .await
    .expect("the agent is told");
    drop(gate);
    until("another is asked for", || desk.jwts.load(Ordering::SeqCst) == 2).await;
    desk.change(|mood| drop(mood.bundles.insert(desk.keys.bundle.clone())));
    let given = asked.await.unwrap().unwrap().remove(0);
    let given = UnverifiedJwt::parse(given.token.expose()).unwrap();
    assert_eq!(given.unverified_claims().get("number"), Some(&json!(1)), "the second");
    assert_eq!(desk.jwts.load(Ordering::SeqCst), 2);
}
