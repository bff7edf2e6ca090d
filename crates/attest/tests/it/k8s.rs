//! `k8s`: by the cluster's keys, and by asking its API server.

use std::sync::Arc;

use carnet_attest::{Attestors, Kind, Once};
use carnet_core::{Context, MemoryFiles, ScriptedHttp};
use serde_json::{Value, json};

use crate::support::*;

fn claims() -> Value {
    json!({
        "iss": "https://kubernetes.default.svc",
        "aud": ["carnet"],
        "sub": "system:serviceaccount:carnet:agent",
        "iat": now().as_second(),
        "exp": now().as_second() + 600,
        "kubernetes.io": {
            "namespace": "carnet",
            "serviceaccount": {"name": "agent", "uid": "s-1"},
            "pod": {"name": "agent-x", "uid": "p-1"},
            "node": {"name": "worker-1", "uid": "n-1"},
        },
    })
}

fn by_keys() -> (Context, Attestors) {
    by_keys_with(&json!({}))
}

fn by_keys_with(members: &Value) -> (Context, Attestors) {
    let files = Arc::new(MemoryFiles::default());
    files.put("/jwks.json", jwks());
    let context = world(files);
    let mut cluster = json!({
        "audience": "carnet", "service_accounts": ["carnet:agent"], "issuer": "https://kubernetes.default.svc",
        "jwks_file": "/jwks.json",
    });
    cluster.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let attestors = attestors(&context, json!({"k8s": {"prod": cluster}}));
    (context, attestors)
}

fn evidence(claims: &Value) -> Value {
    json!({"cluster": "prod", "token": token(claims)})
}

async fn refused(bend: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims();
    bend(&mut claims);
    clause(&by_keys().1, Kind::K8s, &evidence(&claims)).await
}

#[tokio::test]
async fn accepts_a_pod_of_an_allowed_account_again_and_again() {
    let (_, attestors) = by_keys();
    let attested = attestors.verify(Kind::K8s, &evidence(&claims()), &NONCE).await.unwrap();
    assert_eq!((attested.path.as_str(), attested.once), ("k8s/prod/n-1", Once::Again));
    let wanted = [
        "k8s:agent-ns:carnet",
        "k8s:agent-pod-name:agent-x",
        "k8s:agent-pod-uid:p-1",
        "k8s:agent-sa:agent",
        "k8s:cluster:prod",
        "k8s:node-name:worker-1",
        "k8s:node-uid:n-1",
    ];
    assert_eq!(texts(&attested), wanted);
}

#[tokio::test]
async fn rejects_a_cluster_that_is_not_configured() {
    let mut evidence = evidence(&claims());
    evidence["cluster"] = json!("other");
    assert_eq!(clause(&by_keys().1, Kind::K8s, &evidence).await, "cluster");
}

#[tokio::test]
async fn rejects_another_audience() {
    assert_eq!(refused(|claims| claims["aud"] = json!(["vault"])).await, "audience");
}

#[tokio::test]
async fn rejects_another_issuer() {
    assert_eq!(refused(|claims| claims["iss"] = json!("https://other")).await, "issuer");
}

#[tokio::test]
async fn rejects_a_token_that_has_expired_or_never_does() {
    assert_eq!(refused(|claims| claims["exp"] = json!(now().as_second() - 60)).await, "expired");
    assert_eq!(refused(|claims| drop(claims.as_object_mut().unwrap().remove("exp"))).await, "claim");
}

#[tokio::test]
async fn rejects_a_token_that_lives_longer_than_a_day() {
    let lives = |life: i64| refused(move |claims| claims["exp"] = json!(now().as_second() + life));
    assert_eq!(lives(86_401).await, "lifetime");
    assert_eq!(lives(50 * 365 * 86_400).await, "lifetime");
}

#[tokio::test]
async fn rejects_a_token_that_does_not_say_since_when_it_lives() {
    assert_eq!(refused(|claims| drop(claims.as_object_mut().unwrap().remove("iat"))).await, "lifetime");
}

#[tokio::test]
async fn the_bound_is_that_of_the_cluster() {
    let (_, attestors) = by_keys_with(&json!({ "max_age": 600 }));
    attestors.verify(Kind::K8s, &evidence(&claims()), &NONCE).await.unwrap();
    let (_, attestors) = by_keys_with(&json!({ "max_age": 599 }));
    assert_eq!(clause(&attestors, Kind::K8s, &evidence(&claims())).await, "lifetime");
}

#[tokio::test]
async fn rejects_an_account_that_is_not_allowed() {
    let refused = refused(|claims| {
        claims["sub"] = json!("system:serviceaccount:carnet:other");
        claims["kubernetes.io"]["serviceaccount"]["name"] = json!("other");
    });
    assert_eq!(refused.await, "service-account");
}

#[tokio::test]
async fn rejects_a_subject_that_is_no_account_or_not_the_one_of_the_claims() {
    assert_eq!(refused(|claims| claims["sub"] = json!("system:node:a")).await, "subject");
    assert_eq!(refused(|claims| claims["sub"] = json!("system:serviceaccount:other:agent")).await, "claims");
}

#[tokio::test]
async fn rejects_a_token_that_is_bound_to_no_pod_or_names_no_node() {
    for name in ["pod", "node"] {
        let refused = refused(|claims| drop(claims["kubernetes.io"].as_object_mut().unwrap().remove(name)));
        assert_eq!(refused.await, "claims", "{name}");
    }
    assert_eq!(refused(|claims| drop(claims.as_object_mut().unwrap().remove("kubernetes.io"))).await, "claims");
}

#[tokio::test]
async fn rejects_a_node_whose_identifier_cannot_stand_in_a_path() {
    assert_eq!(refused(|claims| claims["kubernetes.io"]["node"]["uid"] = json!("../x")).await, "form");
}

fn review() -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": {
        "authenticated": true,
        "audiences": ["carnet"],
        "user": {"username": "system:serviceaccount:carnet:agent", "uid": "s-1", "extra": {
            "authentication.kubernetes.io/pod-name": ["agent-x"],
            "authentication.kubernetes.io/pod-uid": ["p-1"],
            "authentication.kubernetes.io/node-name": ["worker-1"],
            "authentication.kubernetes.io/node-uid": ["n-1"],
        }},
    }})
}

async fn reviewed(answer: &Value) -> (Result<String, Option<String>>, Arc<ScriptedHttp>) {
    let files = Arc::new(MemoryFiles::default());
    files.put("/ca.pem", "PEM");
    files.put("/own", "own-token\n");
    let http = Arc::new(ScriptedHttp::default().answer(201, answer.to_string()));
    let context = Context { http: Arc::<ScriptedHttp>::clone(&http), ..world(files) };
    let review = json!({"url": "https://10.0.0.1:6443", "ca_file": "/ca.pem", "token_file": "/own"});
    let cluster = json!({"audience": "carnet", "service_accounts": ["carnet:agent"], "token_review": review});
    let attestors = attestors(&context, json!({"k8s": {"prod": cluster}}));
    let evidence = json!({"cluster": "prod", "token": "the.pods.token"});
    let verified = attestors.verify(Kind::K8s, &evidence, &NONCE).await;
    let verified = verified.map(|attested| attested.path);
    (verified.map_err(|error| error.failed_clause().map(str::to_owned)), http)
}

#[tokio::test]
async fn accepts_what_the_api_server_believes() {
    let (verified, http) = reviewed(&review()).await;
    assert_eq!(verified, Ok("k8s/prod/n-1".to_owned()));
    let requests = http.requests();
    let sent = requests.first().unwrap();
    assert_eq!(sent.url.as_str(), "https://10.0.0.1:6443/apis/authentication.k8s.io/v1/tokenreviews");
    assert_eq!(sent.headers.get("authorization").unwrap(), "Bearer own-token");
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["spec"], json!({"token": "the.pods.token", "audiences": ["carnet"]}));
}

#[tokio::test]
async fn rejects_what_the_api_server_does_not_believe_or_not_for_us() {
    for (path, value, clause) in [
        ("/status/authenticated", json!(false), "token"),
        ("/status/audiences", json!([]), "audience"),
        ("/status/user/username", json!("system:admin"), "subject"),
        ("/status/user/extra", json!({}), "claims"),
        ("/status/user/extra/authentication.kubernetes.io~1node-uid", json!(["a", "b"]), "claims"),
    ] {
        let mut answer = review();
        *answer.pointer_mut(path).unwrap() = value;
        assert_eq!(reviewed(&answer).await.0, Err(Some(clause.to_owned())), "{path}");
    }
}

#[test]
fn rejects_a_cluster_with_two_ways_or_none_or_no_account() {
    let files = Arc::new(MemoryFiles::default());
    files.put("/jwks.json", jwks());
    files.put("/empty.json", "{\"keys\":[]}");
    let context = world(files);
    let with = |cluster: Value| mistakes(&context, json!({"k8s": {"prod": cluster}}));
    let base = json!({"audience": "a", "service_accounts": ["a:b"], "issuer": "i", "jwks_file": "/jwks.json"});
    let bent = |name: &str, value: Value| {
        let mut cluster = base.clone();
        cluster[name] = value;
        with(cluster)
    };
    assert_eq!(bent("jwks_url", json!("https://a/")), ["k8s.prod.jwks_file"]);
    assert_eq!(bent("jwks_file", Value::Null), ["k8s.prod.jwks_file"]);
    assert_eq!(bent("jwks_file", json!("/empty.json")), ["k8s.prod.jwks_file"]);
    assert_eq!(bent("service_accounts", json!([])), ["k8s.prod.service_accounts"]);
    assert_eq!(bent("issuer", Value::Null), ["k8s.prod.issuer"]);
    assert_eq!(bent("audience", json!("")), ["k8s.prod.audience"]);
    assert_eq!(bent("max_age", json!(0)), ["k8s.prod.max_age"]);
    let review = json!({"url": "https://10.0.0.1:6443", "ca_file": "/ca.pem", "token_file": "/own"});
    let asked = json!({"audience": "a", "service_accounts": ["a:b"], "token_review": review, "max_age": 60});
    assert_eq!(with(asked), ["k8s.prod.max_age"]);
}
