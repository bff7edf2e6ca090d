//! Nodes: attested once, renewed, turned away.

use carnet_attest::{Kind, protocol::RefusalCode};
use carnet_core::hex;
use carnet_entries::{By, JoinToken, JoinTokenDraft};
use jiff::SignedDuration;

use crate::support::*;

/// As lists of tokens show it.
fn digest(token: &JoinToken) -> String {
    hex(&carnet_attest::join_token::hash(&token.token))
}

#[tokio::test]
async fn accepts_a_join_token_and_gives_its_name_and_selectors() {
    let world = World::new().await;
    let token = world.token(Some("web/1"), &["rack:7"]).await;
    let request = world.attempt(&token).await;
    let (minted, node) = world.nodes.finish(request, &by()).await.unwrap();
    assert_eq!(node.id, "spiffe://example.org/carnet/agent/join-token/web/1");
    assert_eq!(node.selectors, ["rack:7"]);
    assert!(!node.reattestable);
    let agent = world.nodes.authenticate(&minted.chain, &world.own_bundle()).await.unwrap();
    assert_eq!((agent.id, agent.selectors), (token.agent, selectors(&["rack:7"])));
}

#[tokio::test]
async fn a_token_is_taken_by_the_commit_that_issues() {
    let world = World::new().await;
    let token = world.token(Some("web/1"), &[]).await;
    let request = world.attempt(&token).await;
    let before = (world.store.transactions(), world.audit().await.len());
    let (minted, _) = world.nodes.finish(request, &By::default()).await.unwrap();
    assert_eq!((world.store.transactions(), world.audit().await.len()), (before.0 + 1, before.1 + 3));
    let rows = world.rows().await;
    let agent = token.agent.as_str();
    let told: Vec<_> = rows.iter().rev().take(3).map(|row| (row.action.as_str(), row.actor.as_str())).collect();
    assert_eq!(told, [("node.attest", agent), ("svid.x509", agent), ("join-token.use", agent)]);
    let [.., used, issued, attested] = rows.as_slice() else { panic!("three rows") };
    assert_eq!((used.subject.as_str(), &used.details["hash"]), (agent, &serde_json::json!(digest(&token))));
    assert_eq!((&issued.token_id, &attested.token_id), (&Some(minted.serial.clone()), &Some(minted.serial)));
    assert_eq!(attested.details["hash"], digest(&token));
}

#[tokio::test]
async fn a_token_is_good_after_a_request_that_could_not_be_granted_or_a_ban() {
    let world = World::new().await;
    let token = world.token(Some("web/1"), &[]).await;
    let mut request = world.attempt(&token).await;
    *request.csr.0.last_mut().unwrap() ^= 1;
    world.nodes.finish(request.clone(), &by()).await.unwrap_err();
    let audit = world.audit().await;
    assert_eq!(audit[..2], [("node.attest".to_owned(), "refused"), ("svid.x509".to_owned(), "refused")]);
    assert_eq!(world.nodes.join_tokens().await.unwrap().len(), 1);
    // The attempt is not.
    request.csr = request_for_certificate().into();
    assert!(world.nodes.finish(request, &by()).await.unwrap_err().message.contains("attempt was used"));
    world.nodes.finish(world.attempt(&token).await, &by()).await.unwrap();

    let again = world.token(Some("web/1"), &[]).await;
    world.nodes.ban(again.agent.as_str(), &by()).await.unwrap();
    let refused = world.nodes.finish(world.attempt(&again).await, &by()).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::Banned);
    world.nodes.delete(again.agent.as_str(), &by()).await.unwrap();
    world.nodes.finish(world.attempt(&again).await, &by()).await.unwrap();
}

#[tokio::test]
async fn of_two_claims_on_one_token_at_once_one_wins() {
    let world = World::new().await;
    let token = world.token(None, &[]).await;
    let (one, two) = (world.attempt(&token).await, world.attempt(&token).await);
    let by = by();
    let (one, two) = tokio::join!(world.nodes.finish(one, &by), world.nodes.finish(two, &by));
    let lost: Vec<RefusalCode> = [one, two].into_iter().filter_map(Result::err).map(|lost| lost.code).collect();
    assert_eq!(lost, [RefusalCode::NotAttested]);
    assert_eq!(world.nodes.list(None, 9).await.unwrap().len(), 1);
    let issued = world.audit().await.into_iter().filter(|row| *row == ("svid.x509".to_owned(), "allowed"));
    assert_eq!(issued.count(), 1, "for the loser nothing was issued");
}

#[tokio::test]
async fn rejects_a_token_that_was_used() {
    let world = World::new().await;
    let token = world.token(None, &[]).await;
    let request = world.attempt(&token).await;
    world.nodes.finish(request, &by()).await.unwrap();
    let refused = world.nodes.finish(world.attempt(&token).await, &by()).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::NotAttested);
}

#[tokio::test]
async fn rejects_a_token_whose_time_is_over() {
    let world = World::new().await;
    let token = world.token(None, &[]).await;
    world.clock.advance(SignedDuration::from_secs(600));
    let refused = world.nodes.finish(world.attempt(&token).await, &by()).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::NotAttested);
    assert_eq!(world.audit().await.first(), Some(&("join-token.use".to_owned(), "refused")));
    assert_eq!(world.rows().await.pop().unwrap().details["hash"], digest(&token));
}

#[tokio::test]
async fn rejects_a_token_that_was_taken_away() {
    let world = World::new().await;
    let token = world.token(None, &[]).await;
    let rows = world.nodes.join_tokens().await.unwrap();
    assert_eq!(rows.len(), 1);
    world.nodes.delete_join_token(rows[0].hash, &by()).await.unwrap();
    world.nodes.delete_join_token(rows[0].hash, &by()).await.unwrap_err();
    world.nodes.finish(world.attempt(&token).await, &by()).await.unwrap_err();
}

#[tokio::test]
async fn rejects_an_attempt_that_was_used_or_is_over_or_of_another_kind() {
    let world = World::new().await;
    let token = world.token(None, &[]).await;
    let request = world.attempt(&token).await;
    world.nodes.finish(request.clone(), &by()).await.unwrap();
    let second = world.token(None, &[]).await;
    let again = carnet_attest::protocol::AttestRequest { attempt: request.attempt, ..world.attempt(&second).await };
    let refused = world.nodes.finish(again, &by()).await.unwrap_err();
    assert!(refused.message.contains("attempt was used"), "{refused}");

    let late = world.attempt(&second).await;
    world.clock.advance(SignedDuration::from_secs(60));
    assert!(world.nodes.finish(late, &by()).await.unwrap_err().message.contains("no such attempt"));

    let mut other = world.attempt(&second).await;
    other.kind = Kind::X509pop;
    assert!(world.nodes.finish(other, &by()).await.unwrap_err().message.contains("no such attempt"));
    // None of these has cost the token.
    world.nodes.finish(world.attempt(&second).await, &by()).await.unwrap();
}

#[tokio::test]
async fn rejects_a_method_that_is_not_offered() {
    let world = World::new().await;
    assert_eq!(world.nodes.start(Kind::Aws).unwrap_err().code, RefusalCode::NotAttested);
}

#[tokio::test]
async fn rejects_a_request_that_is_not_signed_by_its_key() {
    let world = World::new().await;
    let token = world.token(None, &[]).await;
    let mut request = world.attempt(&token).await;
    *request.csr.0.last_mut().unwrap() ^= 1;
    assert_eq!(world.nodes.finish(request, &by()).await.unwrap_err().code, RefusalCode::Invalid);
    assert!(world.nodes.list(None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn rejects_tokens_that_live_too_long_or_name_what_is_no_path() {
    let world = World::new().await;
    let long = JoinTokenDraft { ttl: Some(SignedDuration::from_hours(24 * 8)), ..JoinTokenDraft::default() };
    world.nodes.create_join_token(long, &by()).await.unwrap_err();
    let path = JoinTokenDraft { agent_path: Some("../authority".to_owned()), ..JoinTokenDraft::default() };
    world.nodes.create_join_token(path, &by()).await.unwrap_err();
}

#[tokio::test]
async fn a_renewed_agent_may_use_both_certificates_until_it_renews_with_the_new_one() {
    let world = World::new().await;
    let bundle = world.own_bundle();
    let first = world.agent("a", &[]).await.chain;
    let agent = world.nodes.authenticate(&first, &bundle).await.unwrap();
    let (lost, _) = world.nodes.renew(&agent, request_for_certificate(), &by()).await.unwrap();
    // The answer did not arrive: it asks again with the old one.
    let agent = world.nodes.authenticate(&first, &bundle).await.unwrap();
    let (second, _) = world.nodes.renew(&agent, request_for_certificate(), &by()).await.unwrap();
    let refused = world.nodes.authenticate(&lost.chain, &bundle).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::MustAttest, "the one that was lost is of no use");
    let agent = world.nodes.authenticate(&second.chain, &bundle).await.unwrap();
    world.nodes.renew(&agent, request_for_certificate(), &by()).await.unwrap();
    let refused = world.nodes.authenticate(&first, &bundle).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::MustAttest, "and neither is the first one any more");
    world.nodes.authenticate(&second.chain, &bundle).await.unwrap();
}

#[tokio::test]
async fn rejects_a_certificate_that_has_expired() {
    let world = World::new().await;
    let chain = world.agent("a", &[]).await.chain;
    world.clock.advance(SignedDuration::from_secs(3601));
    let refused = world.nodes.authenticate(&chain, &world.own_bundle()).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::MustAttest);
}

#[tokio::test]
async fn rejects_the_certificate_of_another_authority() {
    let (world, other) = (World::new().await, World::new().await);
    world.agent("a", &[]).await;
    let chain = other.agent("a", &[]).await.chain;
    let refused = world.nodes.authenticate(&chain, &world.own_bundle()).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::MustAttest);
}

#[tokio::test]
async fn a_banned_node_is_refused_everywhere_until_it_is_deleted() {
    let world = World::new().await;
    let agent = world.agent("a", &[]).await;
    let shown = world.nodes.authenticate(&agent.chain, &world.own_bundle()).await.unwrap();
    world.nodes.ban(agent.id.as_str(), &by()).await.unwrap();
    let refused = world.nodes.authenticate(&agent.chain, &world.own_bundle()).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::Banned);
    // It was let in before the ban, and its renewal comes after.
    let refused = world.nodes.renew(&shown, request_for_certificate(), &by()).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::Banned);
    let token = world.token(Some("a"), &[]).await;
    let refused = world.nodes.finish(world.attempt(&token).await, &by()).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::Banned);
    assert!(world.nodes.get(agent.id.as_str()).await.unwrap().unwrap().banned);

    world.nodes.delete(agent.id.as_str(), &by()).await.unwrap();
    let refused = world.nodes.renew(&shown, request_for_certificate(), &by()).await.unwrap_err();
    assert_eq!(refused.code, RefusalCode::MustAttest, "it is not there to be renewed");
    let token = world.token(Some("a"), &[]).await;
    world.nodes.finish(world.attempt(&token).await, &by()).await.unwrap();
    world.nodes.delete("spiffe://example.org/none", &by()).await.unwrap_err();
}

#[tokio::test]
async fn an_attempt_begun_at_one_authority_ends_at_another() {
    let world = World::new().await;
    let token = world.token(None, &[]).await;
    let request = world.attempt(&token).await;
    let other = carnet_entries::Nodes::open(world.nodes_parts()).await.unwrap();
    other.finish(request.clone(), &by()).await.unwrap();
    world.nodes.finish(request, &by()).await.unwrap_err();
}
