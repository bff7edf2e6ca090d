//! SVIDs for entries, and X509-SVIDs at the token endpoint.

mod own;

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_issuer::{Caller, JwtSvidRequest, X509SvidRequest};
use carnet_jose::{Algorithm, SigningKey};
use carnet_spiffe::{BundleMap, verify_x509_svid};
use carnet_store::{AuditFilter, Outcome};
use carnet_x509::{Certificate, RequestProfile, pem_to_der};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    support::X509_SVID,
    world::{AUDIENCE, NOW, World, claims, domain, object, rule, rule_with, sign},
};

const WEB: &str = "spiffe://example.org/web";
const AGENT: &str = "spiffe://example.org/carnet/agent/join_token/a";

fn jwt(members: &Value) -> JwtSvidRequest {
    let audiences = members.get("audiences").cloned().unwrap_or_else(|| json!([AUDIENCE]));
    JwtSvidRequest {
        spiffe_id: members["spiffe_id"].as_str().unwrap_or(WEB).parse().unwrap(),
        audiences: serde_json::from_value(audiences).unwrap(),
        ttl: members["ttl"].as_i64().map(SignedDuration::from_secs),
        claims: members.get("claims").cloned().map(object).unwrap_or_default(),
        include_jti: members["include_jti"].as_bool().unwrap_or_default(),
        entry_id: Some("entry-1".to_owned()),
        actor: AGENT.to_owned(),
        caller: Caller { request_id: "r-9".to_owned(), ..Caller::at("192.0.2.8:1") },
    }
}

fn csr(algorithm: Algorithm, uri: &[&str]) -> Vec<u8> {
    let key = Arc::new(SigningKey::generate(algorithm).unwrap());
    let uri = uri.iter().map(|&uri| uri.to_owned()).collect();
    RequestProfile { uri, ..RequestProfile::default() }.sign(&key).unwrap()
}

fn x509(id: &str, csr: Vec<u8>) -> X509SvidRequest {
    X509SvidRequest {
        spiffe_id: id.parse().unwrap(),
        csr,
        dns_names: Vec::new(),
        ttl: None,
        entry_id: Some("entry-1".to_owned()),
        actor: AGENT.to_owned(),
        caller: Caller::at("192.0.2.8:1"),
    }
}

fn own_bundle(world: &World) -> BundleMap {
    let mut bundles = BundleMap::default();
    bundles.insert(world.keys.ring().bundle(&domain()));
    bundles
}

#[tokio::test]
async fn a_jwt_svid_says_what_the_entry_says() {
    let world = World::new(Vec::new()).await;
    let request =
        jwt(&json!({ "audiences": ["b", AUDIENCE], "ttl": 60, "claims": { "team": "a" }, "include_jti": true }));
    let issued = world.issuer.jwt_svid(request).await.unwrap();
    let verified = world.verify(&issued.token, AUDIENCE, "JWT");
    let expected = json!({
        "iss": "https://authority.example", "sub": WEB, "aud": ["b", AUDIENCE], "iat": NOW, "exp": NOW + 60,
        "team": "a", "jti": issued.jti,
    });
    assert_eq!(Value::Object(verified.claims().0.clone()), expected);
    assert_eq!(verified.kid(), Some(issued.kid.as_str()));
    let row = world.last().await;
    assert_eq!((row.action.as_str(), row.outcome, row.principal.as_str()), ("svid.jwt", Outcome::Allowed, WEB));
    assert_eq!((row.token_id, &row.details["entry"]), (issued.jti, &json!("entry-1")));
    assert_eq!((row.actor.as_str(), row.request_id.as_str()), (AGENT, "r-9"));
}

#[tokio::test]
async fn several_jwt_svids_are_issued_or_not_each_for_itself_and_written_together() {
    let world = World::new(Vec::new()).await;
    let transactions = world.store.transactions();
    let requests = (0..32).map(|number| match number % 8 {
        5 => jwt(&json!({ "audiences": [] })),
        _ => jwt(&json!({ "audiences": [AUDIENCE], "claims": { "number": number } })),
    });
    let issued = world.issuer.jwt_svids(requests.collect()).await;
    for (number, issued) in issued.into_iter().enumerate() {
        match issued {
            Ok(issued) => {
                assert_eq!(world.verify(&issued.token, AUDIENCE, "JWT").claims().0["number"], json!(number));
            }
            Err(error) => assert_eq!((number % 8, error.failed_clause()), (5, Some("audience"))),
        }
    }
    let rows = world.store.audit(0, 100, AuditFilter::default()).await.unwrap();
    let of =
        |outcome| rows.iter().filter(|row| row.record.action == "svid.jwt" && row.record.outcome == outcome).count();
    assert_eq!((of(Outcome::Allowed), of(Outcome::Refused)), (28, 4));
    // Four refusals, each written before the next signature, and the rest.
    let spent = world.store.transactions() - transactions;
    assert!(spent <= 8, "{spent} transactions");
}

#[tokio::test]
async fn rejects_jwt_svids_that_are_not_issued() {
    let world = World::new(Vec::new()).await;
    for (members, clause) in [
        (json!({ "spiffe_id": "spiffe://other.example/web" }), "trust-domain"),
        (json!({ "spiffe_id": "spiffe://example.org" }), "trust-domain"),
        (json!({ "audiences": [] }), "audience"),
        (json!({ "audiences": [""] }), "audience"),
        (json!({ "audiences": vec!["a"; 17] }), "audience"),
        (json!({ "audiences": ["a", "sts.amazonaws.com"] }), "audience"),
        (json!({ "claims": { "exp": 1 } }), "claims"),
    ] {
        let error = world.issuer.jwt_svid(jwt(&members)).await.unwrap_err();
        assert_eq!(error.failed_clause(), Some(clause), "{members}");
        let row = world.last().await;
        assert_eq!((row.outcome, row.clause.as_deref()), (Outcome::Refused, Some(clause)));
    }
}

#[tokio::test]
async fn x509_svids_verify_with_the_bundle() {
    let world = World::new(Vec::new()).await;
    let mut request = x509(WEB, csr(Algorithm::Es256, &[WEB]));
    request.dns_names = vec!["web.example".to_owned()];
    let issued = world.issuer.x509_svid(request).await.unwrap();
    assert_eq!(verify_x509_svid(&issued.chain, &own_bundle(&world), world.now()).unwrap().as_str(), WEB);
    let leaf = Certificate::from_der(&issued.chain[0]).unwrap();
    assert_eq!((leaf.dns_names(), leaf.not_after()), (&["web.example".to_owned()][..], issued.expires_at));
    assert_eq!(issued.expires_at, world.now() + SignedDuration::from_hours(1));
    assert_eq!(leaf.not_before(), world.now() - SignedDuration::from_secs(10));
    let row = world.last().await;
    assert_eq!((row.action.as_str(), row.token_id.as_deref()), ("svid.x509", Some(issued.serial.as_str())));
}

#[tokio::test]
async fn several_certificates_are_one_commit_or_none() {
    let world = World::new(Vec::new()).await;
    let before = world.audit().await.len();
    let requests =
        vec![x509(WEB, csr(Algorithm::Es256, &[])), x509("spiffe://example.org/db", csr(Algorithm::Es384, &[]))];
    let issued = world.issuer.x509_svids(requests.clone()).await.unwrap();
    assert_eq!((issued.len(), world.audit().await.len()), (2, before + 1));
    let row = world.last().await;
    assert_eq!(row.details["svids"][1]["spiffe_id"], "spiffe://example.org/db");
    assert_eq!(row.details["svids"][1]["serial"], issued[1].serial);
    let bad = x509("spiffe://example.org/x", csr(Algorithm::Es256, &["spiffe://example.org/admin"]));
    let error = world.issuer.x509_svids([requests, vec![bad]].concat()).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("csr-identity"));
    assert_eq!(world.last().await.outcome, Outcome::Refused);
    assert!(world.issuer.x509_svids(Vec::new()).await.unwrap().is_empty());
}

#[tokio::test]
async fn rejects_certificate_requests_that_may_not_be_signed() {
    let world = World::new(Vec::new()).await;
    let mut unsigned = csr(Algorithm::Es256, &[]);
    *unsigned.last_mut().unwrap() ^= 1;
    for (id, der, clause) in [
        (WEB, unsigned, "csr"),
        (WEB, b"x".to_vec(), "csr"),
        (WEB, csr(Algorithm::Es256, &["spiffe://example.org/admin"]), "csr-identity"),
        (WEB, csr(Algorithm::Es256, &[WEB, "https://example.org"]), "csr-identity"),
        ("spiffe://other.example/web", csr(Algorithm::Es256, &[]), "trust-domain"),
    ] {
        let error = world.issuer.x509_svid(x509(id, der)).await.unwrap_err();
        assert_eq!(error.failed_clause(), Some(clause));
        assert_eq!(world.clause().await, clause);
    }
    for name in ["", "a b", "-a.example", "a..b", "*", "a.*"] {
        let mut request = x509(WEB, csr(Algorithm::Es256, &[]));
        request.dns_names = vec![name.to_owned()];
        let error = world.issuer.x509_svid(request).await.unwrap_err();
        assert_eq!(error.failed_clause(), Some("dns"), "{name:?}");
    }
}

#[tokio::test]
async fn no_certificate_outlives_its_authority() {
    let world = World::new(Vec::new()).await;
    let mut request = x509(WEB, csr(Algorithm::Es256, &[]));
    request.ttl = Some(SignedDuration::from_hours(24 * 7));
    let issued = world.issuer.x509_svid(request).await.unwrap();
    assert_eq!(issued.expires_at, world.keys.ring().authority().unwrap().not_after);
}

#[tokio::test]
async fn the_token_endpoint_signs_certificate_requests() {
    let world = World::new(vec![rule_with(json!({ "dns_names": ["web.example"], "lifetime": 120 }))]).await;
    let request = URL_SAFE_NO_PAD.encode(csr(Algorithm::Es256, &[]));
    let answer = world.exchange(&sign(&claims()), &[("csr", &request), ("requested_token_type", X509_SVID)]).await;
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["issued_token_type"]), (&json!("N_A"), &json!(X509_SVID)));
    assert_eq!(body["expires_in"], 120);
    let chain = pem_to_der(answer.token().expose().as_bytes()).unwrap();
    let id = verify_x509_svid(&chain, &own_bundle(&world), world.now()).unwrap();
    assert_eq!(id.as_str(), "spiffe://example.org/ci/42/web");
    let foreign = URL_SAFE_NO_PAD.encode(csr(Algorithm::Es256, &["spiffe://example.org/admin"]));
    for (request, clause) in [(foreign.as_str(), "csr-identity"), ("AA", "csr"), ("=", "csr")] {
        let answer = world.exchange(&sign(&claims()), &[("csr", request), ("requested_token_type", X509_SVID)]).await;
        assert_eq!((answer.error().as_str(), world.clause().await.as_str()), ("invalid_request", clause));
    }
}

#[tokio::test]
async fn nothing_is_signed_without_a_key() {
    let world = World::new(vec![rule()]).await;
    world.clock.advance(SignedDuration::from_hours(48));
    let error = world.issuer.jwt_svid(jwt(&json!({}))).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("key"));
    assert_eq!(world.last().await.outcome, Outcome::Failed);
    let error = world.issuer.x509_svid(x509(WEB, csr(Algorithm::Es256, &[]))).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("key"));
}
