//! JWT-SVIDs of foreign trust domains: how long they may live.

use std::sync::Arc;

use carnet_core::Secret;
use carnet_issuer::{ForeignAges, Issuer, Rule};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_spiffe::{Bundle, BundleMap, TrustDomain};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::{
    support::{Answer, BEARER_ASSERTION, EXCHANGE, JWT_SVID},
    world::{AUTHORITY, NOW, World, claims, object, rule_with, sign},
};

const WORKLOAD: &str = "spiffe://partner.example/web";
const DAY: i64 = 86_400;

fn partner() -> TrustDomain {
    "partner.example".parse().unwrap()
}

fn rules() -> Vec<Rule> {
    let theirs = rule_with(json!({
        "name": "theirs", "issuer": "spiffe://partner.example", "subject": WORKLOAD, "claims": {}, "condition": Value::Null,
        "identity": "/partner/web",
    }));
    let ours = rule_with(json!({ "actors": [{ "issuer": "spiffe://partner.example", "subject": WORKLOAD }] }));
    vec![theirs, ours]
}

/// An authority that believes a key of the partner's.
async fn world() -> (World, SigningKey) {
    let world = World::new(rules()).await;
    let key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("partner-1");
    let mut bundle = Bundle::empty(partner());
    bundle.jwt_authorities.insert("partner-1".to_owned(), key.public_key().unwrap());
    let mut bundles = BundleMap::default();
    bundles.insert(bundle);
    world.bundles.send_replace(Arc::new(bundles));
    (world, key)
}

/// A JWT-SVID of the partner's that lives for so long; with `iat` unless told otherwise.
fn svid(key: &SigningKey, life: i64, with_iat: bool) -> Secret {
    let mut claims = object(json!({ "sub": WORKLOAD, "aud": AUTHORITY, "exp": NOW + life, "iat": NOW }));
    if !with_iat {
        claims.remove("iat");
    }
    encode_jwt(key, &Map::new(), &claims).unwrap()
}

async fn as_subject(world: &World, svid: &Secret) -> Answer {
    let fields = [("grant_type", EXCHANGE), ("subject_token_type", JWT_SVID), ("subject_token", svid.expose())];
    world.ask(&fields).await
}

#[tokio::test]
async fn accepts_a_foreign_svid_of_a_day() {
    let (world, key) = world().await;
    as_subject(&world, &svid(&key, DAY, true)).await.token();
}

#[tokio::test]
async fn rejects_a_foreign_svid_that_lives_longer() {
    let (world, key) = world().await;
    for life in [DAY + 1, 50 * 365 * DAY] {
        assert_eq!(as_subject(&world, &svid(&key, life, true)).await.error(), "invalid_request");
        assert_eq!(world.clause().await, "lifetime");
    }
}

#[tokio::test]
async fn rejects_a_foreign_svid_that_does_not_say_since_when_it_lives() {
    let (world, key) = world().await;
    assert_eq!(as_subject(&world, &svid(&key, 300, false)).await.error(), "invalid_request");
    assert_eq!(world.clause().await, "lifetime");
}

#[tokio::test]
async fn rejects_a_foreign_actor_whose_svid_lives_longer() {
    let (world, key) = world().await;
    for (life, status) in [(DAY, 200), (DAY + 1, 400)] {
        let actor = svid(&key, life, true);
        let more = [("actor_token", actor.expose()), ("actor_token_type", JWT_SVID)];
        let answer = world.exchange(&sign(&claims()), &more).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    assert_eq!(world.clause().await, "lifetime");
}

#[tokio::test]
async fn rejects_a_foreign_client_whose_svid_lives_longer() {
    let (world, key) = world().await;
    for (life, status) in [(DAY, 200), (DAY + 1, 401)] {
        let client = svid(&key, life, true);
        let more = [("client_assertion_type", BEARER_ASSERTION), ("client_assertion", client.expose())];
        let answer = world.exchange(&sign(&claims()), &more).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    assert_eq!(world.clause().await, "lifetime");
}

#[tokio::test]
async fn the_bound_is_that_of_the_domain_as_it_is_now() {
    let (world, key) = world().await;
    let ages = watch::Sender::new(Arc::new(ForeignAges::from([(partner(), SignedDuration::from_secs(300))])));
    let issuer = Issuer::new(world.parts()).unwrap().with_foreign_ages(ages.subscribe());
    let world = World { router: Arc::new(issuer).router(), ..world };
    as_subject(&world, &svid(&key, 300, true)).await.token();
    as_subject(&world, &svid(&key, 301, true)).await;
    assert_eq!(world.clause().await, "lifetime");
    ages.send_replace(Arc::new(ForeignAges::from([(partner(), SignedDuration::from_secs(301))])));
    as_subject(&world, &svid(&key, 301, true)).await.token();
}
