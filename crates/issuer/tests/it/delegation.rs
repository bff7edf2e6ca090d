//! Actors (RFC 8693, 1.1, 4.1 and 4.4).

use carnet_core::Secret;
use carnet_issuer::IssuerSettings;
use serde_json::{Value, json};

use crate::{
    support::{ACCESS_TOKEN, Answer, JWT},
    world::{AUDIENCE, ISSUER, World, claims_with, rule_with, sign},
};

fn actor() -> Secret {
    sign(&claims_with(json!({ "sub": "service:gateway", "jti": "actor-1" })))
}

fn delegating() -> Value {
    json!({ "actors": [{ "issuer": ISSUER, "subject": "service:gateway" }] })
}

async fn ask(world: &World, subject: Value, actor: &Secret) -> Answer {
    let more = [("actor_token", actor.expose()), ("actor_token_type", JWT), ("requested_token_type", ACCESS_TOKEN)];
    world.exchange(&sign(&claims_with(subject)), &more).await
}

#[tokio::test]
async fn an_actor_that_the_rule_names_acts_for_the_subject() {
    let world = World::new(vec![rule_with(delegating())]).await;
    let token = ask(&world, json!({}), &actor()).await.token();
    let verified = world.verify(&token, AUDIENCE, "at+jwt");
    assert_eq!(verified.claims().get("act"), Some(&json!({ "iss": ISSUER, "sub": "service:gateway" })));
    let row = world.last().await;
    assert_eq!((row.actor.as_str(), row.subject.as_str()), ("service:gateway", "repo:org/app:main"));
}

#[tokio::test]
async fn rejects_an_actor_that_nobody_appointed() {
    let world = World::new(vec![rule_with(json!({}))]).await;
    assert_eq!(ask(&world, json!({}), &actor()).await.error(), "invalid_request");
    assert_eq!(world.clause().await, "actor");
}

#[tokio::test]
async fn may_act_appoints_where_the_rule_lets_it() {
    let appointed = json!({ "may_act": { "iss": ISSUER, "sub": "service:gateway" } });
    let world = World::new(vec![rule_with(json!({ "may_act": true }))]).await;
    ask(&world, appointed.clone(), &actor()).await.token();
    let world = World::new(vec![rule_with(json!({}))]).await;
    ask(&world, appointed, &actor()).await;
    assert_eq!(world.clause().await, "actor");
}

#[tokio::test]
async fn rejects_an_actor_that_may_act_does_not_mean_even_if_the_rule_does() {
    let mut both = delegating();
    both["may_act"] = json!(true);
    let world = World::new(vec![rule_with(both)]).await;
    for may_act in [
        json!({ "sub": "service:other" }),
        json!({ "sub": "service:gateway", "iss": "https://other.example" }),
        json!({ "sub": "service:gateway", "owner_id": "43" }),
        json!({ "iss": ISSUER }),
        json!("service:gateway"),
        json!({}),
    ] {
        ask(&world, json!({ "may_act": may_act }), &actor()).await;
        assert_eq!(world.clause().await, "actor", "{may_act}");
    }
}

#[tokio::test]
async fn rejects_an_actor_token_that_is_not_for_us_or_not_good() {
    let world = World::new(vec![rule_with(delegating())]).await;
    let elsewhere = sign(&claims_with(json!({ "sub": "service:gateway", "aud": AUDIENCE })));
    let answer = ask(&world, json!({}), &elsewhere).await;
    assert_eq!((answer.error().as_str(), world.clause().await.as_str()), ("invalid_request", "audience"));
    assert!(answer.text.contains("the actor token is not accepted"));
    let expired = sign(&claims_with(json!({ "sub": "service:gateway", "exp": 1 })));
    ask(&world, json!({}), &expired).await;
    assert_eq!(world.clause().await, "expired");
}

#[tokio::test]
async fn actors_before_are_kept_by_their_names() {
    let world = World::new(vec![rule_with(delegating())]).await;
    let before = json!({ "act": { "sub": "first", "evil": "<script>", "act": { "iss": "https://i.example", "sub": "zeroth" } } });
    let token = ask(&world, before, &actor()).await.token();
    let expected = json!({
        "iss": ISSUER, "sub": "service:gateway",
        "act": { "sub": "first", "act": { "iss": "https://i.example", "sub": "zeroth" } },
    });
    assert_eq!(world.verify(&token, AUDIENCE, "at+jwt").claims().get("act"), Some(&expected));
}

#[tokio::test]
async fn rejects_too_many_actors_and_malformed_ones() {
    let world = World::new(vec![rule_with(delegating())]).await;
    let most = IssuerSettings::default().max_actors;
    let nested = |depth: usize| (1..depth).fold(json!({ "sub": "a" }), |inner, _| json!({ "sub": "a", "act": inner }));
    ask(&world, json!({ "act": nested(most - 1) }), &actor()).await.token();
    for act in [nested(most), nested(most + 1), json!("a"), json!({ "sub": 1 }), json!([])] {
        assert_eq!(ask(&world, json!({ "act": act }), &actor()).await.error(), "invalid_request");
        assert_eq!(world.clause().await, "act");
    }
}
