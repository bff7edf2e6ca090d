//! Tokens that are good once, and tokens that are renewed once.

use std::sync::Arc;

use carnet_issuer::{Caller, IssuerSettings, SubjectType, TokenRequest};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_store::{AuditRecord, Commit, Committed, Op, Options, Outcome, TokenFilter, TokenState, open};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    support::{ACCESS_TOKEN, EXCHANGE},
    world::{AUDIENCE, AUTHORITY, NOW, World, claims, claims_with, issuer_key, publish, rule_with, sign},
};

fn once() -> Vec<carnet_issuer::Rule> {
    vec![rule_with(json!({ "single_use": true }))]
}

#[tokio::test]
async fn rejects_a_token_that_was_used_before() {
    let world = World::new(once()).await;
    let token = sign(&claims());
    world.exchange(&token, &[]).await.token();
    let answer = world.exchange(&token, &[]).await;
    assert_eq!(answer.error(), "invalid_request");
    let row = world.last().await;
    assert_eq!((row.outcome, row.clause.as_deref(), row.token_id), (Outcome::Refused, Some("single-use"), None));
    // The same name signed once more is the same token; another name is another.
    world.exchange(&sign(&claims_with(json!({ "exp": 1_795_262_500 }))), &[]).await;
    assert_eq!(world.clause().await, "single-use");
    world.exchange(&sign(&claims_with(json!({ "jti": "token-2" }))), &[]).await.token();
}

#[tokio::test]
async fn rejects_another_signature_of_what_was_used_before() {
    let world = World::new(once()).await;
    let key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("issuer-2");
    publish(&world.network, &[issuer_key(), &key]);
    let claims = claims_with(json!({ "jti": null }));
    // ECDSA makes another signature each time.
    let tokens = [encode_jwt(&key, &Map::new(), &claims).unwrap(), encode_jwt(&key, &Map::new(), &claims).unwrap()];
    assert_ne!(tokens[0].expose(), tokens[1].expose());
    world.exchange(&tokens[0], &[]).await.token();
    world.exchange(&tokens[1], &[]).await;
    assert_eq!(world.clause().await, "single-use");
}

#[tokio::test]
async fn of_many_at_once_on_two_nodes_one_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&format!("sqlite:{}", folder.path().join("store").display()), Options::default()).await.unwrap();
    let files = Arc::<carnet_core::MemoryFiles>::default();
    let first =
        Arc::new(World::over(Arc::clone(&store), Arc::clone(&files), once(), &[], IssuerSettings::default()).await);
    let second = Arc::new(World::over(store, files, once(), &[], IssuerSettings::default()).await);
    let token = sign(&claims());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let world = Arc::clone(if number % 2 == 0 { &first } else { &second });
        let token = token.clone();
        tasks.spawn(async move { world.exchange(&token, &[]).await.status == 200 });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|answered| *answered).count(), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_for_something_else_is_not_used_up() {
    let world = World::new(once()).await;
    let token = sign(&claims());
    world.exchange(&token, &[("audience", "https://other.example")]).await;
    world.exchange(&token, &[]).await.token();
}

fn renewable() -> Vec<carnet_issuer::Rule> {
    vec![rule_with(
        json!({ "lifetime": 600, "max_lifetime": 900, "scopes": ["read"], "custom_claims": { "team": "{app}" } }),
    )]
}

async fn renew(world: &World, token: &carnet_core::Secret) -> crate::support::Answer {
    let fields = [("grant_type", EXCHANGE), ("subject_token_type", ACCESS_TOKEN), ("subject_token", token.expose())];
    world.ask(&fields).await
}

#[tokio::test]
async fn an_access_token_is_renewed_up_to_its_maximum() {
    let world = World::new(renewable()).await;
    let first = world.access_token().await;
    world.clock.advance(SignedDuration::from_secs(500));
    let answer = renew(&world, &first).await;
    assert_eq!(answer.json()["expires_in"], 400);
    let second = answer.token();
    let claims = world.verify(&second, AUDIENCE, "at+jwt");
    let expected = ("spiffe://example.org/ci/42/web", "read", "web", "repo:org/app:main");
    let text = |name: &str| claims.claims().str(name).unwrap();
    assert_eq!((text("sub"), text("scope"), text("team"), text("client_id")), expected);
    assert_eq!(world.last().await.action, "token.renew");
    world.clock.advance(SignedDuration::from_secs(400));
    assert_eq!(renew(&world, &second).await.error(), "invalid_request");
    assert_eq!(world.clause().await, "expired");
}

#[tokio::test]
async fn rejects_a_token_that_was_renewed_already() {
    let world = World::new(renewable()).await;
    let first = world.access_token().await;
    renew(&world, &first).await.token();
    assert_eq!(renew(&world, &first).await.error(), "invalid_request");
    assert_eq!(world.clause().await, "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_a_token_that_is_revoked_while_it_is_renewed() {
    let world = World::new(renewable()).await;
    let token = world.access_token().await;
    let (store, now) = (Arc::clone(&world.store), Timestamp::from_second(NOW).unwrap());
    let id = world.last().await.token_id.unwrap();
    // The name of the new token is made when the old one has been looked at.
    world.random.first(move || {
        let audit = AuditRecord::new(now, "token.revoke", Outcome::Allowed);
        let commit = Commit { ops: vec![Op::RevokeToken { id, now }], audit, refused: None };
        let revoked = || tokio::runtime::Handle::current().block_on(store.commit(commit));
        assert!(matches!(tokio::task::block_in_place(revoked).unwrap(), Committed::Done { .. }));
    });
    let request = TokenRequest::exchange(token, SubjectType::AccessToken);
    let error = world.issuer.exchange(request, Caller::at("192.0.2.1:1")).await.unwrap_err();
    assert_eq!(error.code.as_str(), "invalid_request");
    let row = world.last().await;
    assert_eq!((row.action.as_str(), row.outcome), ("token.renew", Outcome::Refused));
    assert_eq!((row.clause.as_deref(), row.token_id), (Some("revoked"), None));
    let active = TokenFilter { states: vec![TokenState::Active], now, ..TokenFilter::default() };
    assert_eq!(world.store.tokens(active, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn of_two_renewals_at_once_one_is_answered() {
    let world = World::new(renewable()).await;
    let token = world.access_token().await;
    let (one, other) = tokio::join!(renew(&world, &token), renew(&world, &token));
    assert_eq!([one, other].iter().filter(|answer| answer.status == 200).count(), 1);
}

#[tokio::test]
async fn rejects_renewal_where_the_rule_has_no_maximum_or_is_gone() {
    let world = World::new(vec![rule_with(json!({}))]).await;
    renew(&world, &world.access_token().await).await;
    assert_eq!(world.clause().await, "max-lifetime");
    let world = World::new(renewable()).await;
    let token = world.access_token().await;
    world.rules.send_replace(Arc::default());
    renew(&world, &token).await;
    assert_eq!(world.clause().await, "revoked");
}

#[tokio::test]
async fn rejects_an_access_token_for_others_without_a_rule_for_our_own() {
    let world = World::new(renewable()).await;
    let token = world.access_token().await;
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token_type", ACCESS_TOKEN),
        ("subject_token", token.expose()),
        ("audience", "https://other.example"),
    ];
    assert_eq!(world.ask(&fields).await.error(), "invalid_request");
    assert_eq!(world.clause().await, "issuer");
    let own = rule_with(json!({
        "name": "own", "issuer": AUTHORITY, "subject": "spiffe://example.org/ci/42/web", "claims": {}, "condition": Value::Null,
        "identity": "/down", "subject_token_types": ["access-token"], "expected_audiences": [AUDIENCE],
        "audiences": ["https://other.example"],
    }));
    let world = World::new([renewable(), vec![own]].concat()).await;
    let token = world.access_token().await;
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token_type", ACCESS_TOKEN),
        ("subject_token", token.expose()),
        ("audience", "https://other.example"),
    ];
    let token = world.ask(&fields).await.token();
    assert_eq!(
        world.verify(&token, "https://other.example", "JWT").claims().str("sub"),
        Some("spiffe://example.org/down")
    );
}
