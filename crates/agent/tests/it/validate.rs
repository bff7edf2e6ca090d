//! `ValidateJWTSVID`.

use carnet_attest::Registration;
use carnet_core::{ErrorKind, chain};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{Desk, Keys, Node, entry};

fn claims(desk: &Desk, sub: &str) -> Value {
    let now = desk.now().as_second();
    json!({ "sub": sub, "aud": "me", "exp": now + 300, "iat": now, "role": "admin", "deep": { "list": [1, true, null] } })
}

#[tokio::test]
async fn any_process_may_have_a_token_of_the_own_domain_validated() {
    let desk = Desk::new();
    let node = Node::serving(&desk).await;
    let token = desk.keys.token(&claims(&desk, "spiffe://example.org/api"));
    let valid = node.api().await.validate_jwt_svid("me", &token.into()).await.unwrap();
    assert_eq!(valid.spiffe_id, "spiffe://example.org/api");
    assert_eq!(valid.claims["aud"], json!(["me"]), "a list, as SPIRE has it");
    assert_eq!(valid.claims["role"], "admin");
    assert_eq!(valid.claims["deep"]["list"][1], true);
}

#[tokio::test]
async fn of_a_foreign_token_only_the_allowed_claims_are_passed_on() {
    let desk = Desk::new();
    let foreign = Keys::of(&"other.org".parse().unwrap(), desk.now());
    let federates_with = ["other.org".parse().unwrap()].into_iter().collect();
    desk.change(|mood| {
        mood.bundles.insert(foreign.bundle.clone());
        mood.entries = vec![Registration { federates_with, ..entry("a", 0) }];
    });
    let node = Node::start_with(&desk, |settings| settings.allowed_foreign_claims.extend(["role".to_owned()]));
    let token = foreign.token(&claims(&desk, "spiffe://other.org/x"));
    let valid = node.api().await.validate_jwt_svid("me", &token.clone().into()).await.unwrap();
    assert_eq!(valid.claims.keys().collect::<Vec<_>>(), ["aud", "exp", "role", "sub"]);
    // Whoever has no entry that names the domain may not use its bundle.
    desk.change(|mood| mood.entries = vec![]);
    node.told.0.lock().unwrap().clear();
    let refused = node.api().await.validate_jwt_svid("me", &token.into()).await.unwrap_err();
    assert!(chain(&refused).join(": ").contains("no bundle"), "{refused:?}");
}

#[tokio::test]
async fn rejects_tokens_that_are_not_good() {
    let desk = Desk::new();
    let node = Node::serving(&desk).await;
    let api = node.api().await;
    let good = claims(&desk, "spiffe://example.org/api");
    let expired = desk.now() - SignedDuration::from_secs(61);
    let bent = |member: &str, value: Value| {
        let mut bent = good.clone();
        bent[member] = value;
        desk.keys.token(&bent)
    };
    let foreign = Keys::of(&"example.org".parse().unwrap(), desk.now());
    for (what, token) in [
        ("another audience", bent("aud", json!("you"))),
        ("expired", bent("exp", json!(expired.as_second()))),
        ("no SPIFFE ID", bent("sub", json!("api"))),
        ("a key of somebody else", foreign.token(&good)),
        ("no token", "x".to_owned()),
        ("nothing", String::new()),
    ] {
        let refused = api.validate_jwt_svid("me", &token.into()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Refused, "{what}: {refused:?}");
    }
    assert!(api.validate_jwt_svid("", &desk.keys.token(&good).into()).await.is_err());
    assert!(api.validate_jwt_svid("me", &desk.keys.token(&good).into()).await.is_ok());
}
