//! Access tokens that stand by themselves: nothing is written when one is used.

use std::sync::Arc;

use carnet_core::Secret;
use carnet_issuer::{RuleSet, revocation_mark};
use carnet_store::{AuditRecord, Commit, Committed, Op, Outcome, TokenFilter};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    introspection::{assert_inactive, look_up, world_with},
    support::{ACCESS_TOKEN, EXCHANGE},
    world::{AUDIENCE, World, domain, rule_with},
};

async fn world(members: Value) -> World {
    let mut rule = json!({ "stateless": true, "issue": ["access-token"] });
    rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    world_with(rule).await
}

async fn rows(world: &World) -> usize {
    world.store.tokens(TokenFilter::default(), None, 100).await.unwrap().len()
}

async fn commit(world: &World, op: Op) {
    let audit = AuditRecord::new(world.now(), "token.revoke-before", Outcome::Allowed);
    let done = world.store.commit(Commit { ops: vec![op], audit, refused: None }).await.unwrap();
    assert!(matches!(done, Committed::Done { .. }));
}

#[tokio::test]
async fn a_token_is_looked_up_without_a_write() {
    let world = world(json!({})).await;
    let token = world.access_token().await;
    assert_eq!(rows(&world).await, 0);
    let claims = world.verify(&token, AUDIENCE, "at+jwt");
    assert_eq!(claims.claims().get("carnet"), Some(&json!({ "rule": "ci", "networks": [] })));
    let (written, transactions) = (world.audit().await.len(), world.store.transactions());
    for _ in 0..3 {
        assert_eq!(look_up(&world, &token, &[]).await.json()["active"], true);
    }
    assert_eq!((world.audit().await.len(), world.store.transactions()), (written, transactions));
}

#[tokio::test]
async fn rejects_a_token_from_another_network() {
    let world = world(json!({ "networks": ["192.0.2.0/24", "2001:db8::/32"] })).await;
    let token = world.access_token().await;
    for (address, active) in [("192.0.2.9", true), ("2001:db8::9", true), ("198.51.100.1", false), ("x", false)] {
        let answer = look_up(&world, &token, &[("client_address", address)]).await;
        assert_eq!(answer.json()["active"], active, "{address}");
    }
    assert_inactive(&world, &token, "network").await;
}

#[tokio::test]
async fn rejects_a_token_that_was_revoked() {
    let world = world(json!({})).await;
    let (token, other) = (world.access_token().await, world.access_token().await);
    // To revoke twice is no mistake.
    for _ in 0..2 {
        assert_eq!(world.post("/oauth2/revoke", &[("token", token.expose())]).await.status, 200);
    }
    assert_inactive(&world, &token, "revoked").await;
    assert_eq!(look_up(&world, &other, &[]).await.json()["active"], true);
}

async fn taken_back(subject: Option<&str>, rule: Option<&str>) -> (World, Secret, bool) {
    let world = world(json!({})).await;
    let token = world.access_token().await;
    commit(&world, revocation_mark(subject, rule, world.now()).unwrap()).await;
    let active = look_up(&world, &token, &[]).await.json()["active"] == true;
    (world, token, active)
}

#[tokio::test]
async fn rejects_the_tokens_of_a_subject_or_rule_that_were_issued_before() {
    let subject = "spiffe://example.org/ci/42/web";
    for (subject, rule) in [(Some(subject), None), (None, Some("ci")), (Some(subject), Some("ci"))] {
        let (world, token, active) = taken_back(subject, rule).await;
        assert!(!active, "{subject:?} {rule:?}");
        assert_inactive(&world, &token, "revoked").await;
        // What is issued after is another matter.
        world.clock.advance(SignedDuration::from_secs(1));
        let next =
            world.exchange(&crate::world::sign(&crate::world::claims_with(json!({ "jti": "2" }))), &[]).await.token();
        assert_eq!(look_up(&world, &next, &[]).await.json()["active"], true);
    }
}

#[tokio::test]
async fn the_tokens_of_others_stay_good() {
    let subject = "spiffe://example.org/ci/42/web";
    for (subject, rule) in
        [(Some("spiffe://example.org/ci/42"), None), (None, Some("c")), (Some(subject), Some("other"))]
    {
        assert!(taken_back(subject, rule).await.2, "{subject:?} {rule:?}");
    }
    assert!(revocation_mark(None, None, jiff::Timestamp::UNIX_EPOCH).is_none());
}

#[tokio::test]
async fn rejects_a_token_whose_rule_is_gone_or_another() {
    for (name, stateless) in [("other", true), ("ci", false)] {
        let world = world(json!({})).await;
        let token = world.access_token().await;
        let lookup = world.rules.borrow().rule("lookup").unwrap().clone();
        let changed = rule_with(json!({ "name": name, "stateless": stateless, "issue": ["access-token"] }));
        let rules = RuleSet::load_with(vec![changed, lookup], &[], Some(&domain())).unwrap();
        world.rules.send_replace(Arc::new(rules));
        assert_inactive(&world, &token, "revoked").await;
    }
}

#[tokio::test]
async fn rejects_a_token_that_has_expired_and_one_that_shall_be_renewed() {
    let world = world(json!({ "lifetime": 60 })).await;
    let token = world.access_token().await;
    let fields = [("grant_type", EXCHANGE), ("subject_token_type", ACCESS_TOKEN), ("subject_token", token.expose())];
    assert_eq!(world.ask(&fields).await.error(), "invalid_request");
    assert_eq!(world.clause().await, "max-lifetime");
    world.clock.advance(SignedDuration::from_secs(60));
    assert_inactive(&world, &token, "expired").await;
}
