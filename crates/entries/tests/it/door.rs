//! Who is refused before anything else is looked at.

use carnet_attest::protocol::paths;
use carnet_store::Outcome;
use jiff::SignedDuration;
use serde_json::Value;

use crate::support::*;

const NOTHING: Option<&Value> = None;

async fn with_agent() -> (World, TestAgent) {
    let world = World::new().await;
    let agent = world.agent("a", &[]).await;
    (world, agent)
}

/// Clauses, callers and calls of those who were refused before anything else was looked at.
async fn denied(world: &World) -> Vec<(String, String, String)> {
    let rows = world.rows().await.into_iter().filter(|row| row.action == "node.access");
    let told = rows.map(|row| {
        assert_eq!(row.outcome, Outcome::Refused);
        assert_eq!((&row.actor, row.peer.as_deref()), (&row.subject, Some("127.0.0.1:4000")));
        let detail = |name: &str| row.details.get(name).and_then(Value::as_str).unwrap().to_owned();
        assert!(!row.request_id.is_empty() && !detail("message").is_empty(), "{row:?}");
        (row.clause.clone().unwrap(), row.actor.clone(), detail("call"))
    });
    told.collect()
}

const CALLS: [(&str, &str); 4] =
    [("POST", paths::RENEW), ("GET", paths::UPDATES), ("POST", paths::X509), ("POST", paths::JWT)];

async fn rejects_everywhere(world: &World, agent: Option<&TestAgent>, status: u16, clause: &str) {
    let before = denied(world).await.len();
    for (method, path) in CALLS {
        assert_eq!(world.send(agent, method, path, NOTHING).await.0, status, "{path}");
    }
    let who = agent.map_or("", |agent| agent.id.as_str());
    let wanted = CALLS.map(|(_, path)| (clause.to_owned(), who.to_owned(), path.to_owned()));
    assert_eq!(denied(world).await.split_off(before), wanted);
}

#[tokio::test]
async fn whoever_is_refused_at_the_door_has_a_row_that_says_why() {
    let (world, agent) = with_agent().await;
    rejects_everywhere(&world, None, 401, "certificate").await;
    let shown = world.nodes.authenticate(&agent.chain, &world.own_bundle()).await.unwrap();
    let mut renewed = shown.clone();
    for _ in 0..2 {
        let (minted, _) = world.nodes.renew(&renewed, request_for_certificate(), &by()).await.unwrap();
        renewed = world.nodes.authenticate(&minted.chain, &world.own_bundle()).await.unwrap();
    }
    assert!(denied(&world).await.len() == CALLS.len(), "who is let in has no row for that");
    rejects_everywhere(&world, Some(&agent), 401, "replaced").await;
    world.nodes.ban(agent.id.as_str(), &by()).await.unwrap();
    rejects_everywhere(&world, Some(&agent), 403, "banned").await;
    world.nodes.delete(agent.id.as_str(), &by()).await.unwrap();
    rejects_everywhere(&world, Some(&agent), 401, "unknown").await;
    // One that was let in and is gone before it is renewed.
    world.nodes.renew(&shown, request_for_certificate(), &by()).await.unwrap_err();
    let row = world.rows().await.pop().unwrap();
    assert_eq!(
        (row.action.as_str(), row.outcome, row.clause.as_deref()),
        ("node.renew", Outcome::Refused, Some("unknown"))
    );
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_has_a_row_without_a_name() {
    let (world, agent) = with_agent().await;
    world.clock.advance(SignedDuration::from_hours(2));
    for (method, path) in CALLS {
        assert_eq!(world.send(Some(&agent), method, path, NOTHING).await.0, 401);
    }
    let wanted = CALLS.map(|(_, path)| ("certificate".to_owned(), String::new(), path.to_owned()));
    assert_eq!(denied(&world).await, wanted);
}

#[tokio::test]
async fn a_banned_agent_does_not_fill_the_audit() {
    let (world, agent) = with_agent().await;
    world.nodes.ban(agent.id.as_str(), &by()).await.unwrap();
    for _ in 0..70 {
        assert_eq!(world.send(Some(&agent), "GET", paths::UPDATES, NOTHING).await.0, 403);
    }
    assert_eq!(denied(&world).await.len(), 50);
    assert_eq!(world.issuer.flush_refusals().await.unwrap(), 20);
}
