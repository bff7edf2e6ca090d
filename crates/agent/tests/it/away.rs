//! The authority is away, or wants something.

use std::{os::unix::fs::PermissionsExt as _, sync::atomic::Ordering};

use carnet_agent::Phase;
use carnet_attest::protocol::RefusalCode;
use carnet_core::ErrorKind;
use jiff::SignedDuration;

use crate::support::{Desk, Node, entry, until};

#[tokio::test]
async fn while_the_authority_is_away_what_counts_is_served() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    let svid = api.fetch_x509_svid().await.unwrap().svids.remove(0);
    let jwt = api.fetch_jwt_svid(&["x"], None).await.unwrap().remove(0);
    desk.change(|mood| mood.away = true);
    // Beyond half of its life the token is still served, since there is no other.
    desk.clock.advance(SignedDuration::from_mins(4));
    assert_eq!(api.fetch_jwt_svid(&["x"], None).await.unwrap()[0].token.expose(), jwt.token.expose());
    let other = api.fetch_jwt_svid(&["y"], None).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Unreachable);
    desk.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(api.fetch_jwt_svid(&["x"], None).await.unwrap_err().kind(), ErrorKind::Unreachable);
    desk.clock.advance(SignedDuration::from_mins(54));
    node.agent.refresh();
    assert_eq!(api.fetch_x509_svid().await.unwrap().svids[0], svid);
    assert!(node.agent.facts().problem.is_some());
    desk.change(|mood| mood.away = false);
    until("it answers again", || node.agent.facts().problem.is_none()).await;
}

#[tokio::test]
async fn an_expired_svid_is_not_given_out() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::start_with(&desk, |settings| settings.patience = std::time::Duration::from_millis(50));
    until("it is ready", || node.agent.facts().x509_svids == 1).await;
    desk.change(|mood| mood.away = true);
    desk.clock.advance(SignedDuration::from_hours(1));
    // Before anybody has looked at the clock.
    assert_eq!(node.api().await.fetch_x509_svid().await.unwrap_err().kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn a_token_is_renewed_when_half_of_it_is_gone() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    let first = api.fetch_jwt_svid(&["x"], None).await.unwrap().remove(0);
    desk.clock.advance(SignedDuration::from_secs(149));
    assert_eq!(api.fetch_jwt_svid(&["x"], None).await.unwrap()[0], first);
    desk.clock.advance(SignedDuration::from_secs(1));
    assert_ne!(api.fetch_jwt_svid(&["x"], None).await.unwrap()[0], first);
    assert_eq!(desk.jwts.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_cache_of_tokens_is_bounded() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::start_with(&desk, |settings| settings.jwt_cache = 2);
    let api = node.api().await;
    for audience in ["x", "y", "x", "z", "x", "y"] {
        api.fetch_jwt_svid(&[audience], None).await.unwrap();
    }
    // x was asked for last when z came, so y gave way.
    assert_eq!((desk.jwts.load(Ordering::SeqCst), node.agent.facts().jwt_svids), (4, 2));
}

#[tokio::test]
async fn a_token_that_the_authority_refuses_is_not_served_from_the_cache() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    api.fetch_jwt_svid(&["x"], None).await.unwrap();
    desk.quietly(|mood| mood.refuse = Some(RefusalCode::NotAuthorized));
    desk.clock.advance(SignedDuration::from_mins(4));
    assert_eq!(api.fetch_jwt_svid(&["x"], None).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(api.fetch_jwt_svid(&["x"], None).await.unwrap_err().kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn the_agents_identity_outlives_a_restart_and_is_for_its_owner_only() {
    let desk = Desk::new();
    let node = Node::serving(&desk).await;
    let file = node.folder.path().join("agent.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let Node { agent, folder, .. } = node;
    let first = agent.facts();
    agent.shutdown().await;
    let node = Node::start_in(folder, &desk, |_| ());
    node.agent.reach(Phase::Serving).await.unwrap();
    assert_eq!((node.agent.facts().spiffe_id, node.agent.facts().expires_at), (first.spiffe_id, first.expires_at));
    assert_eq!(desk.attested.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_state_file_that_cannot_be_read_or_has_expired_means_attesting_again() {
    let desk = Desk::new();
    let Node { agent, folder, .. } = Node::serving(&desk).await;
    agent.shutdown().await;
    let file = folder.path().join("agent.json");
    let good = std::fs::read_to_string(&file).unwrap();
    let mut folder = Some(folder);
    let bent = [good.replace("\"version\": 1", "\"version\": 2"), "{".to_owned(), good.replace("example.org", "a.org")];
    for (times, text) in bent.into_iter().enumerate() {
        carnet_core::replace_files(&[carnet_core::NewFile::new(&file, text)]).unwrap();
        let node = Node::start_in(folder.take().unwrap(), &desk, |_| ());
        node.agent.reach(Phase::Serving).await.unwrap();
        assert_eq!(desk.attested.load(Ordering::SeqCst), times + 2);
        let Node { agent, folder: kept, .. } = node;
        agent.shutdown().await;
        folder = Some(kept);
    }
    desk.clock.advance(SignedDuration::from_hours(2));
    let node = Node::start_in(folder.take().unwrap(), &desk, |_| ());
    node.agent.reach(Phase::Serving).await.unwrap();
    assert_eq!(desk.attested.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn the_agent_renews_its_own_svid_at_half_of_its_life_and_attests_when_it_is_over() {
    let desk = Desk::new();
    let node = Node::serving(&desk).await;
    desk.clock.advance(SignedDuration::from_mins(30));
    node.agent.refresh();
    until("it was renewed", || desk.renewed.load(Ordering::SeqCst) == 1).await;
    let renewed = desk.now() + SignedDuration::from_hours(1);
    until("it is another", || node.agent.facts().expires_at == Some(renewed)).await;
    desk.clock.advance(SignedDuration::from_hours(3));
    node.agent.refresh();
    until("it has attested again", || desk.attested.load(Ordering::SeqCst) == 2).await;
}

#[tokio::test]
async fn the_agent_attests_again_when_it_is_told_to() {
    let desk = Desk::new();
    desk.change(|mood| mood.entries = vec![entry("a", 0)]);
    let node = Node::serving(&desk).await;
    desk.quietly(|mood| mood.refuse = Some(RefusalCode::MustAttest));
    assert!(node.api().await.fetch_jwt_svid(&["x"], None).await.is_err());
    desk.quietly(|mood| mood.refuse = None);
    until("it has attested again", || desk.attested.load(Ordering::SeqCst) == 2).await;
    until("a token can be had", || node.agent.facts().problem.is_none()).await;
    assert!(node.api().await.fetch_jwt_svid(&["y"], None).await.is_ok());
}
