use std::sync::Arc;

use carnet_core::{ErrorKind, HttpErrorKind, ScriptedHttp};
use carnet_jose::Claims;
use serde_json::json;

use super::*;
use crate::testing::{AUDIENCE, ISSUER, bent, claims, key, now, other_key, place, signed, token};

const POD: [(&str, &str); 1] = [("KUBERNETES_SERVICE_HOST", "10.96.0.1")];
const FILES: [(&str, &str); 2] = [
    ("/var/run/secrets/kubernetes.io/serviceaccount/token", "own-token"),
    ("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", "PEM"),
];

fn jwks() -> Value {
    json!({"keys": [key().public_jwk()]})
}

fn config(extra: Value) -> ClusterConfig {
    let mut config = json!({"issuer": ISSUER, "service_accounts": ["example:admin"]});
    let Value::Object(extra) = extra else { panic!("fields are an object") };
    config.as_object_mut().unwrap().extend(extra);
    serde_json::from_value(config).unwrap()
}

fn verifier(extra: Value, http: ScriptedHttp) -> (ClusterVerifier, Arc<ScriptedHttp>) {
    let (context, http) = place(&POD, &FILES, http);
    (config(extra).load(&context).unwrap_or_else(|mistakes| panic!("{mistakes:?}")), http)
}

/// One whose keys were uploaded, and that asks.
fn asking(http: ScriptedHttp) -> (ClusterVerifier, Arc<ScriptedHttp>) {
    verifier(json!({"keys": {"jwks": jwks()}}), http)
}

fn mistakes(extra: Value) -> Vec<String> {
    let (context, _) = place(&[], &[("/empty", "{\"keys\": []}"), ("/bad", "{")], ScriptedHttp::default());
    let mistakes = config(extra).load(&context).unwrap_err();
    mistakes.into_iter().map(|mistake| mistake.field).collect()
}

async fn clause(verifier: &ClusterVerifier, token: &Secret) -> Option<&'static str> {
    verifier.verify(token, &[AUDIENCE]).await.unwrap().err().map(|refusal| refusal.clause)
}

fn review(claims: &Claims) -> Value {
    let pod = &claims.0["kubernetes.io"]["pod"];
    json!({"status": {"authenticated": true, "audiences": [AUDIENCE], "user": {
        "username": claims.str("sub"), "uid": "s-1",
        "extra": {"authentication.kubernetes.io/pod-name": [pod["name"]], "authentication.kubernetes.io/pod-uid": [pod["uid"]]},
    }}})
}

#[tokio::test]
async fn uploaded_keys_are_asked_of_nobody() {
    let uploaded = json!({"keys": {"jwks": jwks()}, "token_review": false});
    let (verifier, http) = verifier(uploaded, ScriptedHttp::default());
    assert_eq!(clause(&verifier, &token(&claims())).await, None);
    assert_eq!(clause(&verifier, &signed(&claims(), &other_key())).await, Some("signature"));
    assert!(http.requests().is_empty());
}

#[tokio::test]
async fn the_keys_of_the_cluster_itself_are_asked_for_with_the_pods_token() {
    let http = ScriptedHttp::default().answer(200, jwks().to_string());
    let (verifier, http) = verifier(json!({"token_review": false}), http);
    assert_eq!(clause(&verifier, &token(&claims())).await, None);
    assert_eq!(clause(&verifier, &token(&claims())).await, None);
    let requests = http.requests();
    assert_eq!(requests.len(), 1, "keys are kept");
    let sent = requests.first().unwrap();
    assert_eq!(sent.url.as_str(), "https://10.96.0.1/openid/v1/jwks");
    assert_eq!(sent.headers["authorization"], "Bearer own-token");
    assert_eq!(sent.ca_pem.as_deref(), Some(&b"PEM"[..]));
}

#[tokio::test]
async fn another_cluster_is_asked_with_its_own_files() {
    let http = ScriptedHttp::default().answer(200, jwks().to_string()).answer(201, review(&claims()).to_string());
    let files = [("/other/token", "other-token"), ("/other/ca.crt", "OTHER")];
    let (context, http) = place(&POD, &files, http);
    let api = json!({"url": "https://203.0.113.7:6443", "ca_file": "/other/ca.crt", "token_file": "/other/token"});
    let verifier = config(json!({"api": api})).load(&context).unwrap();
    assert_eq!(clause(&verifier, &token(&claims())).await, None);
    let requests = http.requests();
    assert_eq!(requests.len(), 2);
    for sent in &requests {
        assert_eq!(sent.url.host_str(), Some("203.0.113.7"));
        assert_eq!(sent.headers["authorization"], "Bearer other-token");
        assert_eq!(sent.ca_pem.as_deref(), Some(&b"OTHER"[..]));
    }
}

#[tokio::test]
async fn keys_at_a_public_address_are_asked_for_without_a_token() {
    let http = ScriptedHttp::default().answer(200, jwks().to_string());
    let public = json!({"keys": {"url": "https://keys.example/jwks"}, "token_review": false});
    let (verifier, http) = verifier(public, http);
    assert_eq!(clause(&verifier, &token(&claims())).await, None);
    assert!(!http.requests().first().unwrap().headers.contains_key("authorization"));
}

#[tokio::test]
async fn nobody_is_believed_while_the_keys_cannot_be_had() {
    for http in [
        ScriptedHttp::default().fail(HttpErrorKind::Timeout),
        ScriptedHttp::default().answer(429, ""),
        ScriptedHttp::default().answer(503, ""),
    ] {
        let (verifier, _) = verifier(json!({}), http);
        let error = verifier.verify(&token(&claims()), &[AUDIENCE]).await.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Unreachable, Some("keys")));
    }
}

#[tokio::test]
async fn accepts_what_keys_and_api_server_believe() {
    let (verifier, http) = asking(ScriptedHttp::default().answer(201, review(&claims()).to_string()));
    let believed = verifier.verify(&token(&claims()), &[AUDIENCE]).await.unwrap().unwrap();
    assert_eq!(believed.bound.account.to_string(), "example:admin");
    let body: Value = serde_json::from_slice(&http.requests().first().unwrap().body).unwrap();
    assert_eq!(body["spec"]["audiences"], json!([AUDIENCE]));
}

#[tokio::test]
async fn rejects_a_pod_that_is_gone_although_its_keys_are_good() {
    let gone = json!({"status": {"error": "[invalid bearer token, service account token has been invalidated]"}});
    let (verifier, _) = asking(ScriptedHttp::default().answer(201, gone.to_string()));
    assert_eq!(clause(&verifier, &token(&claims())).await, Some("token"));
}

#[tokio::test]
async fn what_the_keys_refuse_is_not_asked_about() {
    let (verifier, http) = asking(ScriptedHttp::default());
    assert_eq!(clause(&verifier, &signed(&claims(), &other_key())).await, Some("signature"));
    assert_eq!(clause(&verifier, &Secret::new("no token")).await, Some("form"));
    let viewer = bent(|claims| {
        claims["sub"] = json!("system:serviceaccount:example:viewer");
        claims["kubernetes.io"]["serviceaccount"]["name"] = json!("viewer");
    });
    assert_eq!(clause(&verifier, &token(&viewer)).await, Some("service-account"));
    assert!(http.requests().is_empty());
}

#[tokio::test]
async fn rejects_a_review_about_another_pod_than_the_token_names() {
    let other = bent(|claims| claims["kubernetes.io"]["pod"]["uid"] = json!("p-2"));
    let (verifier, _) = asking(ScriptedHttp::default().answer(201, review(&other).to_string()));
    assert_eq!(clause(&verifier, &token(&claims())).await, Some("claims"));
}

#[tokio::test]
async fn a_life_is_bounded_where_nobody_knows_whether_the_pod_is_there() {
    let year = bent(|claims| claims["exp"] = json!(now().as_second() + 31_536_000));
    let http = || ScriptedHttp::default().answer(201, review(&year).to_string());
    let (verifier, _) = asking(http());
    assert_eq!(clause(&verifier, &token(&year)).await, None);
    for bounded in [json!({"token_review": false}), json!({"max_age": 7200})] {
        let mut both = json!({"keys": {"jwks": jwks()}});
        both.as_object_mut().unwrap().extend(bounded.as_object().unwrap().clone());
        let (verifier, _) = self::verifier(both, http());
        assert_eq!(clause(&verifier, &token(&year)).await, Some("lifetime"), "{bounded}");
    }
}

#[tokio::test]
async fn nobody_is_believed_while_the_api_server_does_not_review() {
    for http in [
        ScriptedHttp::default().fail(HttpErrorKind::Connect),
        ScriptedHttp::default().fail(HttpErrorKind::Timeout),
        ScriptedHttp::default().answer(401, ""),
        ScriptedHttp::default().answer(403, ""),
        ScriptedHttp::default().answer(410, ""),
        ScriptedHttp::default().answer(429, ""),
        ScriptedHttp::default().answer(500, ""),
    ] {
        let (verifier, _) = asking(http);
        let error = verifier.verify(&token(&claims()), &[AUDIENCE]).await.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Unreachable, Some("token-review")));
    }
}

#[test]
fn rejects_a_cluster_that_would_believe_nobody() {
    let pinned = |extra: Value| {
        let mut config = json!({"keys": {"jwks": jwks()}, "token_review": false});
        config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        config
    };
    config(pinned(json!({}))).check().unwrap();
    assert_eq!(mistakes(pinned(json!({"issuer": ""}))), ["issuer"]);
    assert_eq!(mistakes(pinned(json!({"service_accounts": []}))), ["service_accounts"]);
    assert_eq!(mistakes(pinned(json!({"service_accounts": ["*:*"]}))), ["service_accounts"]);
    assert_eq!(mistakes(pinned(json!({"max_age": 0}))), ["max_age"]);
}

#[test]
fn rejects_an_api_server_that_is_not_there_needs_a_token_or_is_for_nothing() {
    assert_eq!(mistakes(json!({})), ["api"], "this is no pod");
    assert_eq!(mistakes(json!({"api": {"url": "https://10.0.0.1"}})), ["api.token_file"]);
    let api = json!({"url": "https://10.0.0.1", "token_file": "/t"});
    assert_eq!(mistakes(json!({"api": api, "keys": "discovery", "token_review": false})), ["api"]);
}

#[test]
fn rejects_keys_that_are_none_or_could_be_replaced() {
    for keys in [
        json!({"jwks": {"keys": []}}),
        json!({"file": "/empty"}),
        json!({"file": "/bad"}),
        json!({"file": "/absent"}),
        json!({"url": "http://keys.example/jwks"}),
        json!({"url": "keys"}),
    ] {
        assert_eq!(mistakes(json!({"keys": keys, "token_review": false})), ["keys"], "{keys}");
    }
}
