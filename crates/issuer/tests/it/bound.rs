//! Access tokens that are bound to networks, at the authority itself.

use axum::body::Body;
use carnet_core::Secret;
use carnet_issuer::{Caller, Rule};
use carnet_jose::SigningKey;
use carnet_x509::RequestProfile;
use http::{Request, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    support::{ACCESS_TOKEN, Answer, EXCHANGE, JWT, X509_SVID, form},
    world::{AUDIENCE, AUTHORITY, World, claims, claims_with, rule_with, sign},
};

const OTHER: &str = "https://other.example";
const ID: &str = "spiffe://example.org/ci/42/web";
const INSIDE: &str = "192.0.2.7:4711";
const OUTSIDE: &str = "198.51.100.66:4711";

/// A rule for our own tokens of [`ID`].
fn own(members: Value) -> Rule {
    let mut all = json!({
        "name": "own", "issuer": AUTHORITY, "subject": ID, "claims": {}, "condition": null, "identity": "/made",
        "subject_token_types": ["access-token"], "audiences": [OTHER], "introspect": [AUDIENCE],
    });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    rule_with(all)
}

/// An authority whose rule binds its tokens to `192.0.2.0/24`, and a token that was got there.
async fn world(stateless: bool, members: Value) -> (World, Secret) {
    let bound = json!({ "networks": ["192.0.2.0/24"], "audiences": [AUDIENCE, AUTHORITY], "stateless": stateless });
    let acted = rule_with(json!({
        "name": "acted", "subject": "service:api", "condition": null, "identity": "/acted", "audiences": [OTHER],
        "actors": [{ "issuer": AUTHORITY, "subject": ID }],
    }));
    let world = World::new(vec![rule_with(bound), own(members), acted]).await;
    let more = [("requested_token_type", ACCESS_TOKEN), ("audience", AUTHORITY), ("audience", AUDIENCE)];
    let token = world.exchange(&sign(&claims()), &more).await.token();
    (world, token)
}

async fn ask(world: &World, from: &str, fields: &[(&str, &str)]) -> Answer {
    world.post_as("/oauth2/token", form(fields), Caller::at(from)).await
}

async fn as_subject(world: &World, token: &Secret, from: &str, more: &[(&str, &str)]) -> Answer {
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token_type", ACCESS_TOKEN),
        ("subject_token", token.expose()),
        ("audience", OTHER),
    ];
    ask(world, from, &[&fields, more].concat()).await
}

/// The token acts for somebody whose rule is for no network.
async fn as_actor(world: &World, token: &Secret, from: &str, more: &[(&str, &str)]) -> Answer {
    let subject = sign(&claims_with(json!({ "sub": "service:api", "jti": "api-1" })));
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token_type", JWT),
        ("subject_token", subject.expose()),
        ("actor_token_type", ACCESS_TOKEN),
        ("actor_token", token.expose()),
        ("audience", OTHER),
    ];
    ask(world, from, &[&fields, more].concat()).await
}

async fn as_bearer(world: &World, token: &Secret, from: &str) -> Answer {
    let fields = form(&[("token", token.expose()), ("client_address", "192.0.2.9")]);
    let request = Request::post("/oauth2/introspect")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", format!("Bearer {}", token.expose()))
        .extension(Caller::at(from));
    world.send(request.body(Body::from(fields)).unwrap()).await
}

const WANT_ACCESS: [(&str, &str); 1] = [("requested_token_type", ACCESS_TOKEN)];

#[tokio::test]
async fn rejects_a_bound_token_from_elsewhere_as_subject() {
    for stateless in [false, true] {
        let (world, token) = world(stateless, json!({})).await;
        for from in [OUTSIDE, "unix:1000", ""] {
            let answer = as_subject(&world, &token, from, &WANT_ACCESS).await;
            assert_eq!(
                (answer.error().as_str(), world.clause().await.as_str()),
                ("invalid_request", "network"),
                "{from}"
            );
        }
        as_subject(&world, &token, INSIDE, &WANT_ACCESS).await.token();
    }
}

#[tokio::test]
async fn rejects_a_bound_token_from_elsewhere_as_actor() {
    for stateless in [false, true] {
        let (world, token) = world(stateless, json!({})).await;
        let answer = as_actor(&world, &token, OUTSIDE, &WANT_ACCESS).await;
        assert_eq!((answer.error().as_str(), world.clause().await.as_str()), ("invalid_request", "network"));
        as_actor(&world, &token, INSIDE, &WANT_ACCESS).await.token();
    }
}

#[tokio::test]
async fn rejects_a_bound_token_from_elsewhere_as_proof_of_who_looks_up() {
    for stateless in [false, true] {
        let (world, token) = world(stateless, json!({})).await;
        let answer = as_bearer(&world, &token, OUTSIDE).await;
        assert_eq!((answer.status, answer.error().as_str()), (StatusCode::UNAUTHORIZED, "invalid_client"));
        assert_eq!(world.clause().await, "network");
        assert_eq!(as_bearer(&world, &token, INSIDE).await.json()["active"], true);
    }
}

/// The networks of the token in this answer, as the store or the token has them.
async fn networks(world: &World, answer: &Answer) -> Value {
    let jwt = world.verify(&answer.token(), OTHER, "at+jwt");
    if let Some(stated) = jwt.claims().get("carnet") {
        return stated["networks"].clone();
    }
    let id = jwt.claims().str("jti").unwrap().to_owned();
    json!(world.store.token(id).await.unwrap().unwrap().networks)
}

#[tokio::test]
async fn what_is_made_of_a_bound_token_is_bound_as_well() {
    for (members, expected) in [
        (json!({}), json!(["192.0.2.0/24"])),
        (json!({ "stateless": true }), json!(["192.0.2.0/24"])),
        (json!({ "networks": ["192.0.0.0/16"] }), json!(["192.0.2.0/24"])),
        (json!({ "networks": ["192.0.2.0/28", "10.0.0.0/8"] }), json!(["192.0.2.0/28"])),
    ] {
        for stateless in [false, true] {
            let (world, token) = world(stateless, members.clone()).await;
            let answer = as_subject(&world, &token, INSIDE, &WANT_ACCESS).await;
            assert_eq!(networks(&world, &answer).await, expected, "{members}");
        }
    }
    let (world, token) = world(false, json!({})).await;
    let answer = as_actor(&world, &token, INSIDE, &WANT_ACCESS).await;
    assert_eq!(networks(&world, &answer).await, json!(["192.0.2.0/24"]), "of an actor's");
}

#[tokio::test]
async fn what_is_made_of_a_bound_token_stays_bound_when_it_is_renewed() {
    let (world, token) = world(false, json!({ "lifetime": 600, "max_lifetime": 3600 })).await;
    let made = as_subject(&world, &token, INSIDE, &WANT_ACCESS).await.token();
    world.clock.advance(SignedDuration::from_secs(60));
    assert_eq!(as_subject(&world, &made, OUTSIDE, &[]).await.error(), "invalid_request");
    let renewed = as_subject(&world, &made, INSIDE, &[]).await;
    assert_eq!(world.last().await.action, "token.renew");
    assert_eq!(networks(&world, &renewed).await, json!(["192.0.2.0/24"]));
}

#[tokio::test]
async fn rejects_svids_for_a_bound_token_because_they_cannot_be_bound() {
    let (world, token) = world(false, json!({})).await;
    let key = std::sync::Arc::new(SigningKey::generate(carnet_jose::Algorithm::Es256).unwrap());
    let csr = RequestProfile::default().sign(&key).unwrap();
    let csr = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, csr);
    let as_jwt = as_subject(&world, &token, INSIDE, &[("requested_token_type", JWT)]).await;
    assert_eq!((as_jwt.error().as_str(), world.clause().await.as_str()), ("invalid_request", "network"));
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token_type", ACCESS_TOKEN),
        ("subject_token", token.expose()),
        ("requested_token_type", X509_SVID),
        ("csr", csr.as_str()),
    ];
    let as_certificate = ask(&world, INSIDE, &fields).await;
    assert_eq!((as_certificate.error().as_str(), world.clause().await.as_str()), ("invalid_request", "network"));
}

#[tokio::test]
async fn a_token_that_is_not_bound_becomes_what_the_rule_says() {
    let open = rule_with(json!({ "audiences": [AUDIENCE, AUTHORITY] }));
    let world = World::new(vec![open, own(json!({ "networks": ["198.51.100.0/24"] }))]).await;
    let more = [("requested_token_type", ACCESS_TOKEN), ("audience", AUTHORITY)];
    let token = world.exchange(&sign(&claims()), &more).await.token();
    let answer = as_subject(&world, &token, OUTSIDE, &WANT_ACCESS).await;
    assert_eq!(networks(&world, &answer).await, json!(["198.51.100.0/24"]));
}
