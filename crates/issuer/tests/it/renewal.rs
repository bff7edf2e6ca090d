//! Renewal goes by the rule of today.

use std::sync::Arc;

use carnet_core::Secret;
use carnet_issuer::RuleSet;
use carnet_store::Outcome;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    support::{ACCESS_TOKEN, Answer, EXCHANGE, JWT},
    world::{AUDIENCE, ISSUER, NOW, World, claims_with, domain, rule_with, sign},
};

const OTHER: &str = "https://other.example";

/// What the rule has at the first issue.
fn first() -> Value {
    json!({ "lifetime": 600, "max_lifetime": 900, "scopes": ["read"], "custom_claims": { "team": "{app}" } })
}

/// [`first`] with members changed.
fn bent(members: Value) -> Value {
    let mut all = first();
    for (name, value) in members.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

fn set(world: &World, members: Value) {
    let rules = RuleSet::load_with(vec![rule_with(bent(members))], &[], Some(&domain())).unwrap();
    world.rules.send_replace(Arc::new(rules));
}

async fn renew(world: &World, token: &Secret) -> Answer {
    let fields = [("grant_type", EXCHANGE), ("subject_token_type", ACCESS_TOKEN), ("subject_token", token.expose())];
    world.ask(&fields).await
}

/// A token by [`first`], shown for renewal when the rule has other members.
async fn refused(members: Value, clause: &str) {
    let world = World::new(vec![rule_with(first())]).await;
    let token = world.access_token().await;
    set(&world, members.clone());
    world.clock.advance(SignedDuration::from_secs(500));
    let answer = renew(&world, &token).await;
    assert_eq!(answer.error(), "invalid_request", "{members}");
    let row = world.last().await;
    let seen = (row.action.as_str(), row.outcome, row.clause.as_deref());
    assert_eq!(seen, ("token.renew", Outcome::Refused, Some(clause)), "{members}");
}

#[tokio::test]
async fn rejects_renewal_where_the_rule_is_for_another_issuer() {
    refused(json!({ "issuer": OTHER }), "issuer").await;
}

#[tokio::test]
async fn rejects_renewal_where_the_rule_is_for_another_subject() {
    refused(json!({ "subject": "repo:org/other:*" }), "subject").await;
}

#[tokio::test]
async fn rejects_renewal_where_the_rule_gives_another_identity() {
    refused(json!({ "identity": "/other/{owner_id}/{app}" }), "conditions").await;
}

#[tokio::test]
async fn rejects_renewal_where_the_rule_wants_other_claims() {
    refused(json!({ "claims": { "owner_id": "43" } }), "conditions").await;
}

#[tokio::test]
async fn rejects_renewal_where_the_rule_has_another_condition() {
    refused(json!({ "condition": "claims.ref == 'release'" }), "conditions").await;
}

#[tokio::test]
async fn rejects_renewal_where_the_rule_writes_other_claims() {
    refused(json!({ "custom_claims": {} }), "conditions").await;
}

#[tokio::test]
async fn rejects_renewal_where_the_rule_takes_other_subject_tokens() {
    refused(json!({ "subject_token_types": ["id-token"] }), "conditions").await;
    refused(json!({ "expected_audiences": [OTHER] }), "conditions").await;
}

#[tokio::test]
async fn rejects_renewal_where_the_rule_is_for_other_audiences() {
    refused(json!({ "audiences": [OTHER] }), "target").await;
}

#[tokio::test]
async fn rejects_renewal_where_the_rule_grants_other_scopes() {
    refused(json!({ "scopes": ["write"] }), "scope").await;
}

#[tokio::test]
async fn rejects_renewal_from_where_the_rule_admits_nobody_any_more() {
    refused(json!({ "networks": ["198.51.100.0/24"] }), "network").await;
}

#[tokio::test]
async fn rejects_renewal_beyond_the_maximum_of_today() {
    refused(json!({ "lifetime": 100, "max_lifetime": 400 }), "max-lifetime").await;
}

#[tokio::test]
async fn rejects_renewal_where_the_rule_names_another_actor() {
    let actors = |name: &str| json!({ "actors": [{ "issuer": ISSUER, "subject": name }] });
    let world = World::new(vec![rule_with(bent(actors("service:gateway")))]).await;
    let actor = sign(&claims_with(json!({ "sub": "service:gateway", "jti": "actor-1" })));
    let more = [("actor_token", actor.expose()), ("actor_token_type", JWT), ("requested_token_type", ACCESS_TOKEN)];
    let token = world.exchange(&sign(&claims_with(json!({}))), &more).await.token();
    set(&world, actors("service:other"));
    renew(&world, &token).await;
    assert_eq!(world.clause().await, "actor");
    set(&world, actors("service:*"));
    renew(&world, &token).await.token();
}

#[tokio::test]
async fn an_actor_that_may_act_appointed_renews_as_long_as_the_rule_lets_may_act_appoint() {
    for (claims, renewed) in [(json!({ "may_act": { "sub": "service:gateway" } }), true), (json!({}), false)] {
        let mut members = json!({ "actors": [{ "issuer": ISSUER, "subject": "service:gateway" }], "may_act": true });
        let world = World::new(vec![rule_with(bent(members.clone()))]).await;
        let actor = sign(&claims_with(json!({ "sub": "service:gateway", "jti": "actor-1" })));
        let more = [("actor_token", actor.expose()), ("actor_token_type", JWT), ("requested_token_type", ACCESS_TOKEN)];
        let token = world.exchange(&sign(&claims_with(claims)), &more).await.token();
        members["actors"] = json!([]);
        set(&world, members);
        assert_eq!(renew(&world, &token).await.status == 200, renewed);
    }
}

#[tokio::test]
async fn what_is_renewed_has_the_networks_and_the_maximum_of_today() {
    let world = World::new(vec![rule_with(first())]).await;
    let token = world.access_token().await;
    set(&world, json!({ "networks": ["192.0.2.0/24"], "max_lifetime": 700 }));
    world.clock.advance(SignedDuration::from_secs(500));
    let answer = renew(&world, &token).await;
    assert_eq!(answer.json()["expires_in"], 200);
    let id = world.last().await.token_id.unwrap();
    let row = world.store.token(id).await.unwrap().unwrap();
    assert_eq!(row.networks, ["192.0.2.0/24"]);
    assert_eq!(row.max_expires_at, Timestamp::from_second(NOW + 700).unwrap());
    // The time counts from the first issue, and what was taken away does not come back.
    set(&world, json!({ "max_lifetime": 5000 }));
    world.clock.advance(SignedDuration::from_secs(100));
    assert_eq!(renew(&world, &answer.token()).await.json()["expires_in"], 100);
}

#[tokio::test]
async fn a_rule_that_grants_more_renews_what_it_granted_before() {
    let world = World::new(vec![rule_with(first())]).await;
    let token = world.access_token().await;
    set(&world, json!({ "audiences": [AUDIENCE, OTHER], "scopes": ["read", "write"], "subject": "repo:org/*:*" }));
    let second = renew(&world, &token).await.token();
    let claims = world.verify(&second, AUDIENCE, "at+jwt");
    assert_eq!(claims.claims().str("scope"), Some("read"));
}
