//! Requests of the wrong form, stores that fail, and callers that do not stop.

use axum::body::Body;
use carnet_issuer::{Caller, IssuerSettings};
use carnet_store::Outcome;
use http::Request;
use jiff::SignedDuration;
use serde_json::json;

use crate::{
    support::{EXCHANGE, JWT, X509_SVID, form},
    world::{World, claims, claims_with, rule, sign},
};

const SAML: &str = "urn:ietf:params:oauth:token-type:saml2";
const FORM: &str = "application/x-www-form-urlencoded";

async fn refused(fields: &[(&str, &str)], code: &str) {
    let world = World::new(vec![rule()]).await;
    let answer = world.ask(fields).await;
    assert_eq!(answer.error(), code, "{fields:?}: {}", answer.text);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let row = world.last().await;
    assert_eq!((row.outcome, row.clause.as_deref()), (Outcome::Refused, Some("request")), "{fields:?}");
}

#[tokio::test]
async fn rejects_requests_of_the_wrong_form() {
    let grant = ("grant_type", EXCHANGE);
    let (token, kind) = (("subject_token", "x"), ("subject_token_type", JWT));
    for fields in [
        &[][..],
        &[("grant_type", ""), token, kind],
        &[grant],
        &[grant, token],
        &[grant, kind],
        &[grant, token, ("subject_token_type", SAML)],
        &[grant, token, kind, token],
        &[grant, grant, token, kind],
        &[grant, token, kind, ("scope", "a"), ("scope", "b")],
        &[grant, token, kind, ("actor_token", "x")],
        &[grant, token, kind, ("actor_token_type", JWT)],
        &[grant, token, kind, ("assertion", "x")],
        &[grant, token, kind, ("client_assertion", "x")],
        &[grant, token, kind, ("requested_token_type", SAML)],
        &[grant, token, kind, ("requested_token_type", X509_SVID)],
        &[grant, token, kind, ("requested_token_type", JWT), ("csr", "AA")],
        &[grant, token, ("subject_token_type", X509_SVID)],
        &[("grant_type", "client_credentials"), token, kind],
        &[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")],
    ] {
        refused(fields, "invalid_request").await;
    }
}

#[tokio::test]
async fn rejects_each_with_the_code_that_the_standards_name() {
    let all = [("grant_type", EXCHANGE), ("subject_token", "x"), ("subject_token_type", JWT)];
    for grant in ["authorization_code", "password", "refresh_token", "TOKEN_EXCHANGE"] {
        refused(&[("grant_type", grant)], "unsupported_grant_type").await;
    }
    for resource in ["/relative", "https://a.example/#x", "a b"] {
        refused(&[&all[..], &[("resource", resource)]].concat(), "invalid_target").await;
    }
    refused(&[&all[..], &[("audience", "a"); 17]].concat(), "invalid_target").await;
    let long = "a".repeat(601);
    refused(&[&all[..], &[("audience", long.as_str())]].concat(), "invalid_target").await;
    refused(&[&all[..], &[("client_secret", "x")]].concat(), "invalid_client").await;
    let unknown = [("client_assertion", "x"), ("client_assertion_type", "y")];
    refused(&[&all[..], &unknown].concat(), "invalid_client").await;
}

#[tokio::test]
async fn parameters_that_are_not_known_are_passed_over() {
    let world = World::new(vec![rule()]).await;
    let more = [("something", "else"), ("something", "more"), ("scope", "")];
    world.exchange(&sign(&claims()), &more).await.token();
}

#[tokio::test]
async fn rejects_a_body_that_is_no_form_and_one_that_is_too_large() {
    let world = World::new(vec![rule()]).await;
    let post = |kind: &str, body: String| {
        Request::post("/oauth2/token").header("content-type", kind).body(Body::from(body)).unwrap()
    };
    let token = sign(&claims());
    let good = form(&[("grant_type", EXCHANGE), ("subject_token", token.expose()), ("subject_token_type", JWT)]);
    for request in [
        post("application/json", good.clone()),
        post("", good.clone()),
        post(FORM, format!("{good}&pad={}", "x".repeat(300_000))),
        post(FORM, format!("{good}&a=%zz")),
    ] {
        let answer = world.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "invalid_request"));
    }
    assert_eq!(world.send(post(&format!("{FORM}; charset=UTF-8"), good)).await.status.as_u16(), 200);
}

#[tokio::test]
async fn rejects_secrets_in_the_header() {
    let world = World::new(vec![rule()]).await;
    let request = Request::post("/oauth2/token")
        .header("content-type", FORM)
        .header("authorization", "Basic YTpi")
        .body(Body::from("grant_type=client_credentials"))
        .unwrap();
    let answer = world.send(request).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (401, "invalid_client"));
    assert_eq!(answer.headers["www-authenticate"], "Basic realm=\"carnet\"");
    assert!(answer.headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn nothing_is_issued_when_the_store_does_not_write() {
    let world = World::new(vec![rule()]).await;
    world.exchange(&sign(&claims()), &[]).await.token();
    world.store.close().await;
    let answer = world.exchange(&sign(&claims()), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (503, "temporarily_unavailable"));
    assert_eq!(answer.json().get("access_token"), None);
}

#[tokio::test]
async fn a_stranger_does_not_fill_the_audit() {
    let settings = IssuerSettings { refusals_per_second: 2, ..IssuerSettings::default() };
    let world = World::with(vec![rule()], &[], settings).await;
    let bad = sign(&claims_with(json!({ "ref": "x" })));
    let before = world.audit().await.len();
    for _ in 0..100 {
        assert_eq!(world.exchange(&bad, &[]).await.error(), "invalid_request");
    }
    assert_eq!(world.audit().await.len() - before, 20);
    // What is allowed has its row all the same, and so have refusals of others.
    world.exchange(&sign(&claims()), &[]).await.token();
    let fields = [("grant_type", EXCHANGE), ("subject_token_type", JWT), ("subject_token", bad.expose())];
    world.post_as("/oauth2/token", form(&fields), Caller::at("198.51.100.1")).await;
    assert_eq!(world.audit().await.len() - before, 22);
    assert_eq!(world.issuer.flush_refusals().await.unwrap(), 80);
    let row = world.last().await;
    assert_eq!((row.action.as_str(), &row.details["suppressed"]), ("refusals.suppressed", &json!(80)));
    assert_eq!(row.peer.as_deref(), Some("192.0.2.7"));
    assert_eq!(world.issuer.flush_refusals().await.unwrap(), 0);
    world.clock.advance(SignedDuration::from_secs(1));
    world.exchange(&bad, &[]).await;
    assert_eq!(world.clause().await, "condition");
}
