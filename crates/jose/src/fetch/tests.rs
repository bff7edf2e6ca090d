use std::sync::Arc;

use carnet_core::{chain, test_context};

use super::*;
use crate::{
    Algorithm, JwkSet,
    testing::{FakeHttp, ISSUER, key},
};

const DOCUMENT: &str = "https://issuer.example/.well-known/openid-configuration";
const JWKS: &str = "https://issuer.example/jwks";

fn world(url: &str, status: u16, content_type: &'static str, body: &str) -> Context {
    let http = FakeHttp::default();
    http.answer(url, status, content_type, body);
    Context { http: Arc::new(http), ..test_context() }
}

fn document(issuer: &str, jwks_uri: &str) -> String {
    serde_json::json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string()
}

async fn discovered(body: &str) -> Result<Url, Error> {
    discover(&world(DOCUMENT, 200, "application/json", body), ISSUER, Destination::Untrusted).await
}

async fn fetched(status: u16, content_type: &'static str, body: &str) -> Result<KeySet, Error> {
    let context = world(JWKS, status, content_type, body);
    fetch_key_set(&context, &JWKS.parse().unwrap(), Destination::Untrusted).await
}

#[tokio::test]
async fn finds_the_keys_of_an_issuer() {
    assert_eq!(discovered(&document(ISSUER, JWKS)).await.unwrap().as_str(), JWKS);
}

#[tokio::test]
async fn an_issuer_with_a_slash_at_its_end_keeps_it() {
    let issuer = "https://issuer.example/";
    let context = world(DOCUMENT, 200, "application/json", &document(issuer, JWKS));
    assert!(discover(&context, issuer, Destination::Untrusted).await.is_ok());
    assert!(discover(&context, ISSUER, Destination::Untrusted).await.is_err());
}

#[tokio::test]
async fn a_document_elsewhere_must_name_the_issuer() {
    let elsewhere: Url = "https://issuer.example/tenant/.well-known/keys".parse().unwrap();
    for (named, accepted) in [(ISSUER, true), ("https://issuer.example/tenant", false)] {
        let context = world(elsewhere.as_str(), 200, "application/json", &document(named, JWKS));
        let found = discover_at(&context, &elsewhere, ISSUER, Destination::Untrusted).await;
        assert_eq!(found.is_ok(), accepted, "{named}");
    }
    let plain: Url = "http://issuer.example/.well-known/openid-configuration".parse().unwrap();
    let context = world(plain.as_str(), 200, "application/json", &document(ISSUER, JWKS));
    let refused = discover_at(&context, &plain, ISSUER, Destination::Untrusted).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn rejects_a_document_of_another_issuer() {
    for other in
        ["https://issuer.example/", "https://Issuer.example", "https://issuer.example:443", "https://evil.example"]
    {
        let error = discovered(&document(other, JWKS)).await.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("issuer")), "{other}");
    }
    assert!(discovered("{}").await.is_err());
    assert!(discovered(&format!(r#"{{"issuer":"{ISSUER}","issuer":"{ISSUER}","jwks_uri":"{JWKS}"}}"#)).await.is_err());
}

#[tokio::test]
async fn rejects_keys_over_plain_http_unless_configured() {
    let body = document(ISSUER, "http://issuer.example/jwks");
    assert_eq!(discovered(&body).await.unwrap_err().kind(), ErrorKind::Configuration);
    let context = world(DOCUMENT, 200, "application/json", &body);
    assert!(discover(&context, ISSUER, Destination::Configured).await.is_ok());
    for uri in ["file:///etc/passwd", "data:application/json,{}", "no url", ""] {
        assert!(discovered(&document(ISSUER, uri)).await.is_err(), "{uri}");
    }
}

#[tokio::test]
async fn rejects_an_issuer_that_is_no_https_url() {
    let context = test_context();
    for issuer in ["issuer.example", "", "http://issuer.example", "https://issuer.example/?a=b", "https://a.example/#b"]
    {
        let error = discover(&context, issuer, Destination::Untrusted).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{issuer}");
    }
}

#[tokio::test]
async fn fetches_keys() {
    let jwks = serde_json::to_string(&JwkSet { keys: vec![key(Algorithm::Es256).public_jwk()] }).unwrap();
    assert_eq!(fetched(200, "application/jwk-set+json", &jwks).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_status_that_is_not_200_is_told_with_what_to_do() {
    for (status, kind) in [
        (401, ErrorKind::Refused),
        (404, ErrorKind::Refused),
        (302, ErrorKind::Unreachable),
        (429, ErrorKind::Unreachable),
        (503, ErrorKind::Unreachable),
        (204, ErrorKind::Unreachable),
    ] {
        let error = fetched(status, "application/json", "{\"keys\":[]}").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.hints().is_empty(), matches!(status, 429 | 503 | 204), "{status}");
    }
}

#[tokio::test]
async fn a_web_page_instead_of_keys_is_told_and_not_quoted() {
    let error = fetched(200, "text/html; charset=utf-8", "<html>s3cr3t</html>").await.unwrap_err();
    assert_eq!(error.hints(), ["the answer is a web page: the address may be that of a sign-in page or of a proxy"]);
    assert!(!chain(&error).join(" ").contains("s3cr3t"));
}

#[tokio::test]
async fn rejects_a_key_set_without_a_usable_key() {
    assert!(fetched(200, "application/json", "{\"keys\":[]}").await.is_err());
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let context = world(DOCUMENT, 200, "application/json", "{}");
    let error = fetch_key_set(&context, &JWKS.parse().unwrap(), Destination::Untrusted).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}
