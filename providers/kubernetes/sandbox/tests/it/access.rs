//! Who may read what, and who is believed at all.

use axum::body::Body;
use carnet_kubernetes_sandbox::seed;
use carnet_sandbox_kit::Emulator;
use http::Request;
use serde_json::{Value, json};

use crate::support::{Clusters, cluster};

const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/openid/v1/jwks";

#[tokio::test]
async fn service_accounts_read_the_documents_of_their_cluster_and_nobody_else_does() {
    let clusters = Clusters::new();
    let pod = clusters.pod("dev", "viewer-0");
    let (status, document) = clusters.ask("dev", &pod, "GET", DISCOVERY, Value::Null).await;
    assert_eq!((status, &document["issuer"]), (200, &json!(seed::DEFAULT_ISSUER)));
    assert_eq!(clusters.ask("dev", &pod, "GET", KEYS, Value::Null).await.1["keys"].as_array().unwrap().len(), 1);
    for path in [DISCOVERY, KEYS] {
        let (status, body) = clusters.ask("dev", "", "GET", path, Value::Null).await;
        assert_eq!((status, body["reason"].as_str()), (403, Some("Forbidden")), "{path}");
        let reviewer = cluster("dev").reviewer_token;
        assert_eq!(clusters.ask("dev", reviewer, "GET", path, Value::Null).await.0, 403, "{path}");
    }
}

#[tokio::test]
async fn everybody_reads_the_documents_of_a_public_issuer() {
    let clusters = Clusters::new();
    let get = async |path: &str| {
        let url = format!("{}{path}", seed::PUBLIC_ISSUER);
        let (host, path) = url.strip_prefix("https://").unwrap().split_once('/').unwrap();
        let request = Request::get(format!("/{path}")).header("host", host).body(Body::empty()).unwrap();
        clusters.send("prod", request).await
    };
    let (status, document) = get(DISCOVERY).await;
    assert_eq!((status, &document["issuer"]), (200, &json!(seed::PUBLIC_ISSUER)));
    assert_eq!(document["jwks_uri"], format!("{}/jwks", seed::PUBLIC_ISSUER));
    assert_eq!(get("/jwks").await.1["keys"][0]["alg"], "RS256");
    assert_eq!(get("/other").await.0, 404);
}

#[tokio::test]
async fn rejects_tokens_that_are_not_of_this_cluster() {
    let clusters = Clusters::new();
    for token in [
        clusters.pod("basic", "admin-0"),
        clusters.pod("prod", "admin-0"),
        cluster("prod").admin_token.to_owned(),
        "no-token".to_owned(),
    ] {
        let (status, body) = clusters.ask("dev", &token, "GET", "/version", Value::Null).await;
        assert_eq!((status, &body["reason"], &body["kind"]), (401, &json!("Unauthorized"), &json!("Status")));
    }
}

#[tokio::test]
async fn rejects_a_token_for_another_audience() {
    let clusters = Clusters::new();
    let token = clusters.emulator.projected_token("dev", seed::NAMESPACE, "admin-0", Some("vault")).unwrap();
    assert_eq!(clusters.ask("dev", token.expose(), "GET", "/version", Value::Null).await.0, 401);
}

#[tokio::test]
async fn rejects_tokens_of_a_key_that_was_replaced() {
    let clusters = Clusters::new();
    let before = clusters.pod("dev", "admin-0");
    clusters.emulator.rotate_keys("kubernetes-dev");
    assert_eq!(clusters.ask("dev", &before, "GET", "/version", Value::Null).await.0, 401);
    let after = clusters.pod("dev", "admin-0");
    assert_eq!(clusters.ask("dev", &after, "GET", "/version", Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_refusal_is_told_to_the_operator_and_not_to_the_caller() {
    let clusters = Clusters::new();
    let viewer = clusters.pod("dev", "viewer-0");
    let (status, body) = clusters.ask("dev", &viewer, "GET", "/api/v1/namespaces/example/pods", Value::Null).await;
    let wanted = "pods is forbidden: User \"system:serviceaccount:example:viewer\" cannot list resource \"pods\" in API group \
                  \"\" in the namespace \"example\"";
    assert_eq!((status, body["message"].as_str()), (403, Some(wanted)));
    let decided = clusters.world.decisions.since(0);
    let refusal = decided.last().unwrap().decision.refusal().unwrap();
    assert_eq!(refusal.clause, "rbac");
}

#[tokio::test]
async fn clients_find_out_what_there_is() {
    let clusters = Clusters::new();
    for path in ["/version", "/api", "/apis", "/api/v1", "/apis/authentication.k8s.io/v1"] {
        assert_eq!(clusters.admin("dev", "GET", path, Value::Null).await.0, 200, "{path}");
    }
    assert_eq!(clusters.ask("dev", "", "GET", "/readyz", Value::Null).await.0, 200);
    assert_eq!(clusters.ask("dev", "", "GET", "/api", Value::Null).await.0, 403);
    assert_eq!(clusters.admin("dev", "GET", "/apis/absent.example/v1", Value::Null).await.0, 404);
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let (status, body) = clusters.ask("dev", &clusters.pod("dev", "viewer-0"), "POST", path, json!({})).await;
    let user = &body["status"]["userInfo"];
    assert_eq!((status, user["username"].as_str()), (201, Some("system:serviceaccount:example:viewer")));
}
