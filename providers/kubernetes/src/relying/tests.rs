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

fn config(extra: Value) -> Value {
    let mut config = json!({"audiences": [AUDIENCE], "service_accounts": ["example:admin"], "issuer": ISSUER});
    let Value::Object(extra) = extra else { panic!("fields are an object") };
    config.as_object_mut().unwrap().extend(extra);
    config
}

fn verifier(extra: Value, http: ScriptedHttp) -> (ClusterVerifier, Arc<ScriptedHttp>) {
    let (context, http) = place(&POD, &FILES, http);
    let mut mistakes = Vec::new();
    let config: ClusterConfig = serde_json::from_value(config(extra)).unwrap();
    let verifier = config.check("cluster", &context, &mut mistakes);
    (verifier.unwrap_or_else(|| panic!("{mistakes:?}")), http)
}

fn mistakes(extra: Value) -> Vec<String> {
    let (context, _) = place(&[], &[("/empty", "{\"keys\": []}"), ("/bad", "{")], ScriptedHttp::default());
    let mut mistakes = Vec::new();
    let config: ClusterConfig = serde_json::from_value(config(extra)).unwrap();
    assert!(config.check("cluster", &context, &mut mistakes).is_none());
    mistakes.into_iter().map(|mistake| mistake.field).collect()
}

async fn clause(verifier: &ClusterVerifier, token: &Secret) -> Option<&'static str> {
    verifier.decide(token).await.unwrap().refusal().map(|refusal| refusal.clause)
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
    let (verifier, http) = verifier(json!({"keys": {"jwks": jwks()}}), ScriptedHttp::default());
    assert_eq!(clause(&verifier, &token(&claims())).await, None);
    assert_eq!(clause(&verifier, &signed(&claims(), &other_key())).await, Some("signature"));
    assert!(http.requests().is_empty());
}

#[tokio::test]
async fn the_keys_of_the_cluster_itself_are_asked_for_with_the_pods_token() {
    let http = ScriptedHttp::default().answer(200, jwks().to_string());
    let (verifier, http) = verifier(json!({"keys": {"in-cluster": {}}}), http);
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
async fn keys_at_a_public_address_are_asked_for_without_a_token() {
    let http = ScriptedHttp::default().answer(200, jwks().to_string());
    let (verifier, http) = verifier(json!({"keys": {"url": "https://keys.example/jwks"}}), http);
    assert_eq!(clause(&verifier, &token(&claims())).await, None);
    assert!(!http.requests().first().unwrap().headers.contains_key("authorization"));
}

#[tokio::test]
async fn nobody_is_believed_while_the_keys_cannot_be_had() {
    for http in [ScriptedHttp::default().fail(HttpErrorKind::Timeout), ScriptedHttp::default().answer(503, "")] {
        let (verifier, _) = verifier(json!({"keys": {"in-cluster": {}}}), http);
        assert_eq!(verifier.decide(&token(&claims())).await.unwrap_err().kind(), ErrorKind::Unreachable);
    }
}

#[tokio::test]
async fn the_api_server_alone_is_enough_and_its_account_is_held_to_the_rules() {
    let http = ScriptedHttp::default().answer(201, review(&claims()).to_string());
    let (verifier, _) = verifier(json!({"token_review": {}}), http);
    let decision = verifier.decide(&token(&claims())).await.unwrap();
    assert_eq!(decision.grant().unwrap().principal, "system:serviceaccount:example:admin");

    let mut stranger = review(&claims());
    stranger["status"]["user"]["username"] = json!("system:serviceaccount:other:admin");
    let http = ScriptedHttp::default().answer(201, stranger.to_string());
    let (verifier, _) = self::verifier(json!({"token_review": {}}), http);
    assert_eq!(clause(&verifier, &token(&claims())).await, Some("service-account"));
}

#[tokio::test]
async fn rejects_a_pod_that_is_gone_although_its_keys_are_good() {
    let gone = json!({"status": {"error": "[invalid bearer token, service account token has been invalidated]"}});
    let http = ScriptedHttp::default().answer(201, gone.to_string());
    let (verifier, _) = verifier(json!({"keys": {"jwks": jwks()}, "token_review": {}}), http);
    assert_eq!(clause(&verifier, &token(&claims())).await, Some("token"));
}

#[tokio::test]
async fn what_the_keys_refuse_is_not_asked_about() {
    let (verifier, http) = verifier(json!({"keys": {"jwks": jwks()}, "token_review": {}}), ScriptedHttp::default());
    assert_eq!(clause(&verifier, &signed(&claims(), &other_key())).await, Some("signature"));
    assert_eq!(clause(&verifier, &Secret::new("no token")).await, Some("form"));
    assert!(http.requests().is_empty());
}

#[tokio::test]
async fn rejects_a_review_about_another_pod_than_the_token_names() {
    let other = bent(|claims| claims["kubernetes.io"]["pod"]["uid"] = json!("p-2"));
    let http = ScriptedHttp::default().answer(201, review(&other).to_string());
    let (verifier, _) = verifier(json!({"keys": {"jwks": jwks()}, "token_review": {}}), http);
    assert_eq!(clause(&verifier, &token(&claims())).await, Some("claims"));
}

#[tokio::test]
async fn a_long_life_is_no_worry_when_the_pod_is_known_to_be_there() {
    let year = bent(|claims| claims["exp"] = json!(now().as_second() + 31_536_000));
    let http = || ScriptedHttp::default().answer(201, review(&year).to_string());
    let both = json!({"keys": {"jwks": jwks()}, "token_review": {}});
    let (verifier, _) = verifier(both.clone(), http());
    assert!(verifier.decide(&token(&year)).await.unwrap().grant().unwrap().warnings.is_empty());
    let (verifier, _) = self::verifier(json!({"token_review": {}, "max_lifetime": 7200}), http());
    assert_eq!(clause(&verifier, &token(&year)).await, Some("lifetime"));
}

#[tokio::test]
async fn nobody_is_believed_while_the_api_server_is_away() {
    let (verifier, _) = verifier(json!({"token_review": {}}), ScriptedHttp::default().fail(HttpErrorKind::Connect));
    assert_eq!(verifier.decide(&token(&claims())).await.unwrap_err().kind(), ErrorKind::Unreachable);
}

#[test]
fn rejects_a_cluster_that_would_believe_nobody_or_anybody() {
    assert_eq!(mistakes(json!({})), ["cluster"]);
    let keys = || json!({"jwks": jwks()});
    assert_eq!(mistakes(json!({"keys": keys(), "audiences": []})), ["cluster.audiences"]);
    assert_eq!(mistakes(json!({"keys": keys(), "service_accounts": []})), ["cluster.service_accounts"]);
    assert_eq!(mistakes(json!({"keys": keys(), "service_accounts": ["*:*"]})), ["cluster.service_accounts"]);
    assert_eq!(mistakes(json!({"keys": keys(), "issuer": null})), ["cluster.issuer"]);
    assert_eq!(mistakes(json!({"keys": keys(), "max_lifetime": 0})), ["cluster.max_lifetime"]);
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
        json!({"in-cluster": {}}),
    ] {
        assert_eq!(mistakes(json!({"keys": keys})), ["cluster.keys"], "{keys}");
    }
}
