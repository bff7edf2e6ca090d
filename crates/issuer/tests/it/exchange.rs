//! Token exchange that is allowed, and the form of its answer (RFC 8693, 2.2.1).

use carnet_issuer::IssuerSettings;
use carnet_store::Outcome;
use serde_json::json;

use crate::{
    support::{ACCESS_TOKEN, JWT, JWT_SVID},
    world::{AUDIENCE, AUTHORITY, NOW, World, claims, claims_with, rule, rule_with, sign},
};

#[tokio::test]
async fn a_token_of_a_trusted_issuer_becomes_a_jwt_svid() {
    let world = World::new(vec![rule()]).await;
    let answer = world.exchange(&sign(&claims()), &[("audience", AUDIENCE)]).await;
    let body = answer.json();
    assert_eq!(body["issued_token_type"], JWT);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 300);
    assert_eq!(body.get("scope"), None);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["pragma"], "no-cache");
    assert_eq!(answer.headers["content-type"], "application/json");
    let verified = world.verify(&answer.token(), AUDIENCE, "JWT");
    assert_eq!(verified.claims().str("sub"), Some("spiffe://example.org/ci/42/web"));
    assert_eq!(verified.claims().get("aud"), Some(&json!([AUDIENCE])));
    assert_eq!(verified.claims().get("iat"), Some(&json!(NOW)));
    assert_eq!(verified.claims().get("exp"), Some(&json!(NOW + 300)));
    assert_eq!(verified.algorithm().name(), "ES256");
}

#[tokio::test]
async fn the_outcome_is_in_the_audit_and_the_token_is_not() {
    let world = World::new(vec![rule()]).await;
    let token = sign(&claims());
    let issued = world.exchange(&token, &[]).await.token();
    let row = world.last().await;
    assert_eq!((row.action.as_str(), row.outcome), ("token.exchange", Outcome::Allowed));
    assert_eq!((row.subject.as_str(), row.principal.as_str()), ("repo:org/app:main", "spiffe://example.org/ci/42/web"));
    assert_eq!((row.rule.as_deref(), row.peer.as_deref()), (Some("ci"), Some("192.0.2.7:4711")));
    assert_eq!((row.request_id.as_str(), row.audiences.as_slice()), ("r-1", &[AUDIENCE.to_owned()][..]));
    assert_eq!(row.details["issuer"], "https://issuer.example");
    let verified = world.verify(&issued, AUDIENCE, "JWT");
    assert_eq!(row.token_id.as_deref(), verified.claims().str("jti"));
    let text = serde_json::to_string(&row).unwrap();
    for secret in [&token, &issued] {
        assert!(!text.contains(secret.expose().rsplit('.').next().unwrap()));
    }
}

#[tokio::test]
async fn an_access_token_is_one_of_rfc_9068() {
    let world = World::new(vec![rule_with(json!({
        "scopes": ["read", "write"], "custom_claims": { "team": "{app}", "tier": 1 },
    }))])
    .await;
    let answer = world.exchange(&sign(&claims()), &[("requested_token_type", ACCESS_TOKEN), ("scope", "read")]).await;
    let body = answer.json();
    assert_eq!((&body["issued_token_type"], &body["scope"]), (&json!(ACCESS_TOKEN), &json!("read")));
    assert_eq!(body["expires_in"], 900);
    let verified = world.verify(&answer.token(), AUDIENCE, "at+jwt");
    let claims = verified.claims();
    assert_eq!(claims.str("client_id"), Some("repo:org/app:main"));
    assert_eq!((claims.str("scope"), claims.str("team")), (Some("read"), Some("web")));
    assert_eq!(claims.get("tier"), Some(&json!(1)));
    let row = world.store.token(claims.str("jti").unwrap().to_owned()).await.unwrap().unwrap();
    assert_eq!((row.subject.as_str(), row.rule.as_str()), ("spiffe://example.org/ci/42/web", "ci"));
}

#[tokio::test]
async fn who_names_no_scope_gets_all_of_them() {
    let world = World::new(vec![rule_with(json!({ "scopes": ["read", "write"] }))]).await;
    let answer = world.exchange(&sign(&claims()), &[("requested_token_type", ACCESS_TOKEN)]).await;
    assert_eq!(answer.json()["scope"], "read write");
}

#[tokio::test]
async fn audiences_and_resources_become_the_audience() {
    let resource = "https://resource.example/api";
    let world =
        World::new(vec![rule_with(json!({ "audiences": ["https://audience.example", "b"], "resources": [resource] }))])
            .await;
    let more = [("audience", "b"), ("audience", AUDIENCE), ("audience", "b"), ("resource", resource)];
    let token = world.exchange(&sign(&claims()), &more).await.token();
    assert_eq!(world.verify(&token, "b", "JWT").claims().get("aud"), Some(&json!(["b", AUDIENCE, resource])));
}

#[tokio::test]
async fn the_audience_decides_the_algorithm_unless_the_rule_does() {
    let azure = "api://AzureADTokenExchange";
    let world = World::new(vec![rule_with(json!({ "audiences": [azure, AUDIENCE] }))]).await;
    for (audience, algorithm) in [(azure, "RS256"), (AUDIENCE, "ES256")] {
        let token = world.exchange(&sign(&claims()), &[("audience", audience)]).await.token();
        assert_eq!(world.verify(&token, audience, "JWT").algorithm().name(), algorithm);
    }
    let world = World::new(vec![rule_with(json!({ "algorithm": "ES384" }))]).await;
    let token = world.exchange(&sign(&claims()), &[]).await.token();
    assert_eq!(world.verify(&token, AUDIENCE, "JWT").algorithm().name(), "ES384");
    let world = World::new(vec![rule_with(json!({ "algorithm": "EdDSA", "issue": ["access-token"] }))]).await;
    let token = world.exchange(&sign(&claims()), &[]).await.token();
    assert_eq!(world.verify(&token, AUDIENCE, "at+jwt").algorithm().name(), "EdDSA");
}

#[tokio::test]
async fn the_rule_decides_the_lifetime_within_the_bounds_of_the_authority() {
    let world = World::new(vec![rule_with(json!({ "lifetime": 60 }))]).await;
    assert_eq!(world.exchange(&sign(&claims()), &[]).await.json()["expires_in"], 60);
    let settings = IssuerSettings { max_lifetime: jiff::SignedDuration::from_hours(1), ..IssuerSettings::default() };
    let world = World::with(vec![rule_with(json!({ "lifetime": 86_400 }))], &[], settings).await;
    assert_eq!(world.exchange(&sign(&claims()), &[]).await.json()["expires_in"], 3600);
}

#[tokio::test]
async fn nothing_outlives_the_key_that_signed_it() {
    let world = World::new(vec![rule_with(json!({ "lifetime": 200_000 }))]).await;
    let until = world.keys.ring().signs_until(carnet_jose::Algorithm::Es256).unwrap();
    let expected = until.as_second() - NOW;
    assert!(expected < 200_000);
    assert_eq!(world.exchange(&sign(&claims()), &[]).await.json()["expires_in"], expected);
}

#[tokio::test]
async fn a_jwt_svid_of_ours_becomes_another_by_its_trust_domain() {
    let svid_rule = rule_with(json!({
        "name": "svid", "issuer": "spiffe://example.org", "subject": "spiffe://example.org/ci/42/web", "claims": {},
        "condition": null, "identity": "{sub}", "audiences": ["https://other.example"],
    }));
    let world = World::new(vec![rule_with(json!({ "audiences": [AUTHORITY] })), svid_rule]).await;
    let svid = world.exchange(&sign(&claims()), &[]).await.token();
    for kind in [JWT, JWT_SVID] {
        let fields =
            [("grant_type", crate::support::EXCHANGE), ("subject_token_type", kind), ("subject_token", svid.expose())];
        let token = world.ask(&fields).await.token();
        let verified = world.verify(&token, "https://other.example", "JWT");
        assert_eq!(verified.claims().str("sub"), Some("spiffe://example.org/ci/42/web"));
        assert_eq!(world.last().await.details["shown"], "jwt-svid");
    }
}

#[tokio::test]
async fn new_rules_count_from_the_next_request_on() {
    let world = World::new(vec![rule()]).await;
    world.exchange(&sign(&claims()), &[]).await.token();
    world.rules.send_replace(std::sync::Arc::default());
    let answer = world.exchange(&sign(&claims_with(json!({ "jti": "2" }))), &[]).await;
    assert_eq!((answer.error().as_str(), world.clause().await.as_str()), ("invalid_request", "issuer"));
}
