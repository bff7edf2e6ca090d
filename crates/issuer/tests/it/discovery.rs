//! Issuers that cannot be asked, lie, or are asked too often.

use carnet_issuer::{IssuerSettings, Rule, RuleSet, TrustedIssuer};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Map, json};

use crate::world::{ISSUER, World, claims, claims_with, issuer_key, publish, rule, rule_with, sign};

async fn trusting(issuer: TrustedIssuer) -> World {
    World::with(vec![rule()], &[issuer], IssuerSettings::default()).await
}

fn document(world: &World, jwks_uri: &str, issuer: &str) {
    let document = json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string();
    world.network.answer(&format!("{ISSUER}/.well-known/openid-configuration"), document);
}

#[tokio::test]
async fn a_thousand_unknown_keys_cause_one_fetch() {
    let world = World::new(vec![rule()]).await;
    world.exchange(&sign(&claims()), &[]).await.token();
    let first = world.network.requests();
    world.clock.advance(SignedDuration::from_secs(61));
    for number in 0..1000 {
        let key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid(format!("unknown-{number}"));
        let token = encode_jwt(&key, &Map::new(), &claims()).unwrap();
        assert_eq!(world.exchange(&token, &[]).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(world.network.requests() - first, 2, "one discovery document and one key set");
}

#[tokio::test]
async fn a_key_that_is_published_later_is_found() {
    let world = World::new(vec![rule()]).await;
    world.exchange(&sign(&claims()), &[]).await.token();
    let next = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("issuer-2");
    publish(&world.network, &[issuer_key(), &next]);
    world.clock.advance(SignedDuration::from_secs(61));
    let token = encode_jwt(&next, &Map::new(), &claims()).unwrap();
    world.exchange(&token, &[]).await.token();
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_hangs_is_waited_for_a_bounded_time() {
    let world = World::new(vec![rule()]).await;
    world.network.hang();
    let before = tokio::time::Instant::now();
    let answer = world.exchange(&sign(&claims()), &[]).await;
    assert_eq!(
        (answer.status, answer.error()),
        (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable".to_owned())
    );
    assert!(before.elapsed() < std::time::Duration::from_secs(6));
    assert_eq!(world.clause().await, "keys");
}

#[tokio::test]
async fn rejects_an_issuer_that_says_it_is_another() {
    let world = World::new(vec![rule()]).await;
    document(&world, &format!("{ISSUER}/jwks"), "https://issuer.example/");
    let answer = world.exchange(&sign(&claims()), &[]).await;
    assert_eq!(answer.error(), "invalid_request");
    assert_eq!(world.clause().await, "keys");
}

#[tokio::test]
async fn rejects_keys_at_a_foreign_host_unless_it_is_configured() {
    let world = World::new(vec![rule()]).await;
    let keys = json!({ "keys": [issuer_key().public_jwk()] }).to_string();
    document(&world, "https://keys.example/jwks", ISSUER);
    world.network.answer("https://keys.example/jwks", keys.clone());
    assert_ne!(world.exchange(&sign(&claims()), &[]).await.status, StatusCode::OK);
    assert_eq!(world.network.requests(), 1, "only the discovery document is fetched");
    let row = world.last().await;
    assert!(row.details["seen"].as_str().unwrap().contains("foreign host keys.example"), "{row:?}");

    let world =
        trusting(TrustedIssuer { jwks_hosts: vec!["keys.example".to_owned()], ..TrustedIssuer::new(ISSUER) }).await;
    document(&world, "https://keys.example/jwks", ISSUER);
    world.network.answer("https://keys.example/jwks", keys);
    world.exchange(&sign(&claims()), &[]).await.token();
}

#[tokio::test]
async fn rejects_keys_without_tls_of_an_issuer_with_it() {
    let world = World::new(vec![rule()]).await;
    document(&world, "http://issuer.example/jwks", ISSUER);
    assert_ne!(world.exchange(&sign(&claims()), &[]).await.status, StatusCode::OK);
    assert_eq!(world.network.requests(), 1);
}

#[tokio::test]
async fn rejects_keys_without_tls_of_an_issuer_whose_discovery_document_has_it() {
    let plain = "http://plain.example";
    let discovery_url = "https://issuer.example/discovery".to_owned();
    let rule = rule_with(json!({ "issuer": plain }));
    let issuer = TrustedIssuer {
        discovery_url: Some(discovery_url.clone()),
        jwks_hosts: vec!["keys.example".to_owned()],
        ..TrustedIssuer::new(plain)
    };
    for (jwks_uri, is_believed, requests) in
        [("http://keys.example/jwks", false, 1), ("https://keys.example/jwks", true, 2)]
    {
        let world = World::with(vec![rule.clone()], std::slice::from_ref(&issuer), IssuerSettings::default()).await;
        world.network.answer(&discovery_url, json!({ "issuer": plain, "jwks_uri": jwks_uri }).to_string());
        world.network.answer(jwks_uri, json!({ "keys": [issuer_key().public_jwk()] }).to_string());
        let answer = world.exchange(&sign(&claims_with(json!({ "iss": plain }))), &[]).await;
        let seen = (answer.status == StatusCode::OK, world.network.requests());
        assert_eq!(seen, (is_believed, requests), "{jwks_uri}");
    }
}

#[test]
fn rejects_plain_http_from_other_machines_at_load() {
    let (far, near) = ("http://far.example", "http://127.0.0.1:8080");
    let fields = |rules: Vec<Rule>, issuers: &[TrustedIssuer]| {
        let mistakes = RuleSet::load_with(rules, issuers, None).err().unwrap_or_default();
        assert!(mistakes.iter().all(|mistake| mistake.hint.as_deref().is_some_and(|hint| hint.contains("loopback"))));
        mistakes.into_iter().map(|mistake| mistake.field).collect::<Vec<_>>()
    };
    let own = TrustedIssuer::new;
    let at = |url: &str| TrustedIssuer { jwks_url: Some(format!("{url}/keys")), ..own(ISSUER) };
    let told = |url: &str| TrustedIssuer { discovery_url: Some(format!("{url}/discovery")), ..own(ISSUER) };
    for (issuer, field) in [(own(far), "issuer"), (at(far), "jwks_url"), (told(far), "discovery_url")] {
        assert_eq!(fields(Vec::new(), &[issuer]), [format!("issuers[0].{field}")]);
    }
    for issuer in [own(near), at(near), told(near)] {
        assert!(fields(Vec::new(), &[issuer]).is_empty());
    }
    let of = |issuer: &str| rule_with(json!({ "issuer": issuer }));
    let actor = rule_with(json!({ "actors": [{ "issuer": far, "subject": "a" }] }));
    assert_eq!(fields(vec![of(far)], &[]), ["rules[0].issuer"]);
    assert_eq!(fields(vec![actor], &[]), ["rules[0].actors[0].issuer"]);
    assert!(fields(vec![of(near)], &[]).is_empty());
    let jwks = json!({ "keys": [issuer_key().public_jwk()] });
    let pinned = TrustedIssuer { jwks: Some(jwks), ..own(far) };
    assert!(fields(vec![of(far)], &[pinned]).is_empty(), "nothing comes over the net");
}

#[tokio::test]
async fn pinned_keys_need_no_network() {
    let jwks = json!({ "keys": [issuer_key().public_jwk()] });
    let world = trusting(TrustedIssuer { jwks: Some(jwks), ..TrustedIssuer::new(ISSUER) }).await;
    world.exchange(&sign(&claims()), &[]).await.token();
    assert_eq!(world.network.requests(), 0);
}

#[tokio::test]
async fn keys_at_a_configured_url_need_no_discovery_document() {
    let url = "https://elsewhere.example/keys".to_owned();
    let world = trusting(TrustedIssuer { jwks_url: Some(url.clone()), ..TrustedIssuer::new(ISSUER) }).await;
    world.network.answer(&url, json!({ "keys": [issuer_key().public_jwk()] }).to_string());
    world.exchange(&sign(&claims()), &[]).await.token();
    assert_eq!(world.network.requests(), 1);
}

#[tokio::test]
async fn an_unknown_issuer_is_asked_for_nothing() {
    let world = World::new(vec![rule()]).await;
    world.exchange(&sign(&claims_with(json!({ "iss": "https://evil.example" }))), &[]).await;
    assert_eq!((world.network.requests(), world.clause().await.as_str()), (0, "issuer"));
}

#[test]
fn rejects_issuers_with_mistakes() {
    let issuer = TrustedIssuer::new(ISSUER);
    let jwks = json!({ "keys": [] });
    for (wrong, field) in [
        (TrustedIssuer { issuer: "issuer".to_owned(), ..issuer.clone() }, "issuer"),
        (TrustedIssuer { issuer: format!("{ISSUER}?x"), ..issuer.clone() }, "issuer"),
        (TrustedIssuer { jwks_url: Some("x".to_owned()), ..issuer.clone() }, "jwks_url"),
        (TrustedIssuer { discovery_url: Some("ftp://x".to_owned()), ..issuer.clone() }, "discovery_url"),
        (TrustedIssuer { jwks: Some(jwks.clone()), ..issuer.clone() }, "jwks"),
        (TrustedIssuer { jwks: Some(jwks), jwks_url: Some(ISSUER.to_owned()), ..issuer.clone() }, "jwks"),
        (TrustedIssuer { algorithms: vec!["HS256".to_owned()], ..issuer.clone() }, "algorithms"),
        (TrustedIssuer { leeway: Some(301), ..issuer.clone() }, "leeway"),
        (TrustedIssuer { max_age: Some(0), ..issuer.clone() }, "max_age"),
        (TrustedIssuer { regions: vec!["us-ashburn-1".to_owned()], ..issuer.clone() }, "regions"),
        (TrustedIssuer { ca_pem: Some("x".to_owned()), ..issuer.clone() }, "ca_pem"),
        (TrustedIssuer { jwks_hosts: vec!["a/b".to_owned()], ..issuer }, "jwks_hosts"),
    ] {
        let mistakes = RuleSet::load_with(Vec::new(), &[wrong], None).unwrap_err();
        assert_eq!(mistakes[0].field, format!("issuers[0].{field}"));
    }
}
