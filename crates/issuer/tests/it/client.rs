//! RFC 7523: assertions as grants and as proofs of clients; clients by certificate.

use std::sync::Arc;

use carnet_core::Secret;
use carnet_issuer::{Caller, Rule, X509SvidRequest};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_spiffe::{Bundle, BundleMap};
use carnet_x509::RequestProfile;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use crate::{
    support::{ACCESS_TOKEN, Answer, BEARER_ASSERTION, EXCHANGE, X509_SVID, form},
    world::{AUDIENCE, World, claims, claims_with, rule, rule_with, sign},
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn spiffe_rule(kinds: Value) -> Rule {
    rule_with(json!({
        "name": "svid", "issuer": "spiffe://example.org", "subject": "spiffe://example.org/web", "claims": {},
        "condition": null, "identity": "{sub}", "subject_token_types": kinds,
    }))
}

/// A certificate of ours for `spiffe://example.org/web`.
async fn certificate(world: &World) -> Vec<Vec<u8>> {
    let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
    let request = X509SvidRequest {
        spiffe_id: "spiffe://example.org/web".parse().unwrap(),
        csr: RequestProfile::default().sign(&key).unwrap(),
        dns_names: Vec::new(),
        ttl: None,
        entry_id: None,
        actor: String::new(),
        caller: Caller::default(),
    };
    world.issuer.x509_svid(request).await.unwrap().chain
}

async fn ask_with(world: &World, certificates: Vec<Vec<u8>>, fields: &[(&str, &str)]) -> Answer {
    let caller = Caller { certificates: Some(certificates), ..Caller::at("192.0.2.7:1") };
    world.post_as("/oauth2/token", form(fields), caller).await
}

async fn assertion(world: &World, token: &Secret, more: &[(&str, &str)]) -> Answer {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", BEARER_ASSERTION),
        ("client_assertion", token.expose()),
    ];
    world.ask(&[&fields, more].concat()).await
}

#[tokio::test]
async fn an_assertion_is_a_grant() {
    let world = World::new(vec![rule()]).await;
    let token = sign(&claims());
    let answer = world.ask(&[("grant_type", JWT_BEARER), ("assertion", token.expose())]).await;
    world.verify(&answer.token(), AUDIENCE, "JWT");
    assert_eq!(world.last().await.action, "token.assertion");
}

#[tokio::test]
async fn rejects_a_bad_assertion_as_an_invalid_grant() {
    let world = World::new(vec![rule()]).await;
    for (changes, clause) in [(json!({ "exp": 1 }), "expired"), (json!({ "ref": "x" }), "condition")] {
        let token = sign(&claims_with(changes));
        let answer = world.ask(&[("grant_type", JWT_BEARER), ("assertion", token.expose())]).await;
        assert_eq!((answer.error().as_str(), answer.status.as_u16()), ("invalid_grant", 400));
        assert_eq!(world.clause().await, clause);
    }
}

#[tokio::test]
async fn a_client_is_its_assertion() {
    let world = World::new(vec![rule()]).await;
    let answer = assertion(&world, &sign(&claims()), &[("requested_token_type", ACCESS_TOKEN)]).await;
    let verified = world.verify(&answer.token(), AUDIENCE, "at+jwt");
    assert_eq!(verified.claims().str("client_id"), Some("repo:org/app:main"));
    assert_eq!(world.last().await.action, "token.client");
}

#[tokio::test]
async fn rejects_a_bad_client_with_401_and_one_without_a_rule_with_400() {
    let world = World::new(vec![rule()]).await;
    let answer = assertion(&world, &sign(&claims_with(json!({ "exp": 1 }))), &[]).await;
    assert_eq!((answer.error().as_str(), answer.status.as_u16()), ("invalid_client", 401));
    let answer = assertion(&world, &sign(&claims_with(json!({ "ref": "x" }))), &[]).await;
    assert_eq!((answer.error().as_str(), answer.status.as_u16()), ("unauthorized_client", 400));
    let answer = world.ask(&[("grant_type", "client_credentials")]).await;
    assert_eq!((answer.error().as_str(), world.clause().await.as_str()), ("invalid_client", "client"));
}

#[tokio::test]
async fn rejects_a_client_id_that_is_not_the_clients() {
    let world = World::new(vec![rule()]).await;
    assertion(&world, &sign(&claims()), &[("client_id", "repo:org/app:main")]).await.token();
    let answer = assertion(&world, &sign(&claims()), &[("client_id", "other")]).await;
    assert_eq!((answer.error().as_str(), world.clause().await.as_str()), ("invalid_client", "client-id"));
}

#[tokio::test]
async fn a_client_may_prove_itself_in_an_exchange_and_must_do_so_rightly() {
    let world = World::new(vec![rule()]).await;
    let client = sign(&claims_with(json!({ "sub": "service:gateway", "jti": "c" })));
    let more = [
        ("client_assertion_type", BEARER_ASSERTION),
        ("client_assertion", client.expose()),
        ("requested_token_type", ACCESS_TOKEN),
    ];
    let token = world.exchange(&sign(&claims()), &more).await.token();
    assert_eq!(world.verify(&token, AUDIENCE, "at+jwt").claims().str("client_id"), Some("service:gateway"));
    assert_eq!(world.last().await.actor, "service:gateway");
    let elsewhere = sign(&claims_with(json!({ "sub": "service:gateway", "aud": AUDIENCE })));
    let more = [("client_assertion_type", BEARER_ASSERTION), ("client_assertion", elsewhere.expose())];
    let answer = world.exchange(&sign(&claims()), &more).await;
    assert_eq!((answer.error().as_str(), answer.status.as_u16()), ("invalid_client", 401));
    assert_eq!(world.clause().await, "audience");
}

#[tokio::test]
async fn a_token_of_an_authenticated_client_is_renewed_by_it_alone() {
    let world = World::new(vec![rule_with(json!({ "max_lifetime": 3600 }))]).await;
    let token = assertion(&world, &sign(&claims()), &[("requested_token_type", ACCESS_TOKEN)]).await.token();
    let fields = [("grant_type", EXCHANGE), ("subject_token_type", ACCESS_TOKEN), ("subject_token", token.expose())];
    assert_eq!(world.ask(&fields).await.error(), "invalid_request");
    assert_eq!(world.clause().await, "client");
    let client = sign(&claims());
    let more = [("client_assertion_type", BEARER_ASSERTION), ("client_assertion", client.expose())];
    world.ask(&[&fields[..], &more].concat()).await.token();
}

#[tokio::test]
async fn a_certificate_is_a_client_and_a_subject() {
    let world = World::new(vec![spiffe_rule(json!(["x509-svid"]))]).await;
    let chain = certificate(&world).await;
    let by_client = [("grant_type", "client_credentials")];
    let by_subject = [("grant_type", EXCHANGE), ("subject_token_type", X509_SVID)];
    for fields in [&by_client[..], &by_subject[..]] {
        let token = ask_with(&world, chain.clone(), fields).await.token();
        let verified = world.verify(&token, AUDIENCE, "JWT");
        assert_eq!(verified.claims().str("sub"), Some("spiffe://example.org/web"));
        assert_eq!(world.last().await.details["shown"], "x509-svid");
    }
}

#[tokio::test]
async fn rejects_certificates_of_others_and_expired_ones_and_none() {
    let world = World::new(vec![spiffe_rule(json!([]))]).await;
    let other = World::new(Vec::new()).await;
    let fields = [("grant_type", EXCHANGE), ("subject_token_type", X509_SVID)];
    let answer = ask_with(&world, certificate(&other).await, &fields).await;
    assert_eq!(answer.error(), "invalid_request");
    assert!(["chain", "signature"].contains(&world.clause().await.as_str()));
    let chain = certificate(&world).await;
    world.clock.advance(SignedDuration::from_hours(2));
    ask_with(&world, chain, &fields).await;
    assert_eq!(world.clause().await, "expired");
    assert_eq!(world.ask(&fields).await.error(), "invalid_request");
    assert_eq!(world.clause().await, "certificate");
}

#[tokio::test]
async fn rejects_a_certificate_where_the_rule_wants_a_token() {
    let world = World::new(vec![spiffe_rule(json!(["jwt-svid"]))]).await;
    let chain = certificate(&world).await;
    let answer = ask_with(&world, chain, &[("grant_type", "client_credentials")]).await;
    assert_eq!((answer.error().as_str(), world.clause().await.as_str()), ("unauthorized_client", "token-type"));
}

#[tokio::test]
async fn svids_of_a_federated_trust_domain_are_taken_by_its_own_bundle_only() {
    let rule = rule_with(json!({
        "name": "partner", "issuer": "spiffe://partner.example", "subject": "spiffe://partner.example/web",
        "claims": {}, "condition": null, "identity": "/partner/web",
    }));
    let world = World::new(vec![rule]).await;
    let key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("p");
    let token =
        |subject: &str| encode_jwt(&key, &Map::new(), &claims_with(json!({ "iss": null, "sub": subject }))).unwrap();
    world.exchange(&token("spiffe://partner.example/web"), &[]).await;
    assert_eq!(world.clause().await, "trust-domain");
    let mut bundle = Bundle::empty("partner.example".parse().unwrap());
    bundle.jwt_authorities.insert("p".to_owned(), key.public_key().unwrap());
    let mut bundles = BundleMap::default();
    bundles.insert(bundle);
    world.bundles.send_replace(Arc::new(bundles));
    let issued = world.exchange(&token("spiffe://partner.example/web"), &[]).await.token();
    let verified = world.verify(&issued, AUDIENCE, "JWT");
    assert_eq!(verified.claims().str("sub"), Some("spiffe://example.org/partner/web"));
    // The partner's key signs nothing for our own domain.
    world.exchange(&token("spiffe://example.org/web"), &[]).await;
    assert_eq!(world.clause().await, "key");
}
