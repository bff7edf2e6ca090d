//! TokenReview.

use carnet_kubernetes_sandbox::seed;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, Clusters, claims, cluster};

const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const POD: &str = "/api/v1/namespaces/example/pods/admin-0";

fn projected(clusters: &Clusters, audience: &str) -> String {
    let token = clusters.emulator.projected_token("dev", seed::NAMESPACE, "admin-0", Some(audience));
    token.unwrap().expose().to_owned()
}

#[tokio::test]
async fn a_good_token_is_told_with_what_it_is_bound_to() {
    let clusters = Clusters::new();
    let token = projected(&clusters, AUDIENCE);
    let status = clusters.review("dev", &token, &["other", AUDIENCE]).await;
    assert_eq!((&status["authenticated"], &status["audiences"]), (&json!(true), &json!([AUDIENCE])));
    let user = &status["user"];
    assert_eq!(user["username"], "system:serviceaccount:example:admin");
    let claims = claims(&token);
    let extra = &user["extra"];
    assert_eq!(extra["authentication.kubernetes.io/pod-uid"], json!([claims["kubernetes.io"]["pod"]["uid"]]));
    assert_eq!(extra["authentication.kubernetes.io/node-name"], json!([seed::NODE]));
    assert_eq!(
        extra["authentication.kubernetes.io/credential-id"],
        json!([format!("JTI={}", claims["jti"].as_str().unwrap())])
    );
    assert!(user["groups"].as_array().unwrap().contains(&json!("system:serviceaccounts:example")));
}

#[tokio::test]
async fn without_audiences_it_is_about_the_api_servers_own() {
    let clusters = Clusters::new();
    let own = clusters.pod("dev", "admin-0");
    let status = clusters.review("dev", &own, &[]).await;
    assert_eq!(status["audiences"], json!([seed::DEFAULT_ISSUER]));
    let status = clusters.review("dev", &projected(&clusters, AUDIENCE), &[]).await;
    assert_eq!(status.get("authenticated"), None);
}

#[track_caller]
fn refused(status: &Value, words: &str) {
    assert_eq!(status.get("authenticated"), None, "{status}");
    assert!(status["error"].as_str().unwrap().contains(words), "{status}");
}

#[tokio::test]
async fn rejects_the_token_of_a_pod_that_is_gone_or_was_replaced() {
    let clusters = Clusters::new();
    let token = projected(&clusters, AUDIENCE);
    assert_eq!(clusters.admin("dev", "DELETE", POD, Value::Null).await.0, 200);
    refused(&clusters.review("dev", &token, &[AUDIENCE]).await, "has been invalidated");
    let pod = json!({"metadata": {"name": "admin-0"}, "spec": {"serviceAccountName": "admin"}});
    assert_eq!(clusters.admin("dev", "POST", "/api/v1/namespaces/example/pods", pod).await.0, 201);
    refused(&clusters.review("dev", &token, &[AUDIENCE]).await, "has been invalidated");
    let status = clusters.review("dev", &projected(&clusters, AUDIENCE), &[AUDIENCE]).await;
    assert_eq!(status["authenticated"], true, "the new pod has a new token");
}

#[tokio::test]
async fn rejects_the_token_of_an_account_that_is_gone_or_was_replaced() {
    let clusters = Clusters::new();
    let token = projected(&clusters, AUDIENCE);
    let accounts = "/api/v1/namespaces/example/serviceaccounts";
    clusters.admin("dev", "DELETE", &format!("{accounts}/admin"), Value::Null).await;
    refused(&clusters.review("dev", &token, &[AUDIENCE]).await, "not found");
    clusters.admin("dev", "POST", accounts, json!({"metadata": {"name": "admin"}})).await;
    refused(&clusters.review("dev", &token, &[AUDIENCE]).await, "does not match");
}

#[tokio::test]
async fn rejects_tokens_of_another_cluster_audience_or_time() {
    let clusters = Clusters::new();
    let token = projected(&clusters, AUDIENCE);
    refused(&clusters.review("basic", &token, &[AUDIENCE]).await, "invalid bearer token");
    refused(&clusters.review("dev", &token, &["other"]).await, "audience");
    refused(&clusters.review("dev", "no.token", &[AUDIENCE]).await, "invalid bearer token");
    clusters.clock.advance(SignedDuration::from_mins(61));
    refused(&clusters.review("dev", &token, &[AUDIENCE]).await, "has expired");
}

#[tokio::test]
async fn rejects_who_may_not_review() {
    let clusters = Clusters::new();
    let token = projected(&clusters, AUDIENCE);
    let body = || json!({"spec": {"token": token, "audiences": [AUDIENCE]}});
    for asker in [String::new(), clusters.pod("dev", "admin-0")] {
        assert_eq!(clusters.ask("dev", &asker, "POST", PATH, body()).await.0, 403);
    }
    let (namespace, _) = seed::AUTHORITY;
    let authority = clusters.emulator.projected_token("dev", namespace, "authority-0", None).unwrap();
    assert_eq!(clusters.ask("dev", authority.expose(), "POST", PATH, body()).await.0, 201);
}

#[tokio::test]
async fn rejects_reviews_that_are_bent_in_one_place() {
    let clusters = Clusters::new();
    let reviewer = cluster("dev").reviewer_token;
    for body in
        [json!({}), json!({"spec": {"token": ""}}), json!({"spec": {"token": "t", "audiences": "a"}}), json!([])]
    {
        assert_eq!(clusters.ask("dev", reviewer, "POST", PATH, body.clone()).await.0, 400, "{body}");
    }
    assert_eq!(clusters.ask("dev", reviewer, "GET", PATH, Value::Null).await.0, 405);
}

#[test]
fn two_tokens_of_a_pod_differ() {
    let clusters = Clusters::new();
    assert_ne!(claims(&clusters.pod("dev", "admin-0"))["jti"], claims(&clusters.pod("dev", "admin-0"))["jti"]);
}
