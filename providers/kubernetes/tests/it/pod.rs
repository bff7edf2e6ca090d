//! A pod gets tokens of its account, and shows them.

use carnet_core::{ErrorKind, Secret};
use carnet_kubernetes::{ExecCredential, ServiceAccount};
use carnet_kubernetes_sandbox::seed;
use carnet_sandbox_kit::Emulator;
use http::Method;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{AUDIENCE, Clusters, deliver, find, jwt};

const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

#[tokio::test]
async fn a_pod_gets_a_token_for_any_audience() {
    let clusters = Clusters::new();
    let (context, _) = clusters.pod("prod", seed::NAMESPACE, "admin-0");
    for audience in [AUDIENCE, "api://AzureADTokenExchange", "sts.amazonaws.com"] {
        let credential = find(&context, json!({"lifetime": 600}), Some(audience)).await.unwrap();
        assert_eq!(credential.facts["audience"], audience);
        assert_eq!(credential.facts["issuer"], seed::PUBLIC_ISSUER);
        assert_eq!(credential.facts["pod"], "admin-0");
        assert_eq!(credential.remaining(context.now()), Some(SignedDuration::from_mins(10)));
    }
}

#[tokio::test]
async fn a_projected_token_is_taken_before_the_api_server_is_asked() {
    let clusters = Clusters::new();
    // The account may not ask for tokens: only the file can have given this one.
    let (context, files) = clusters.pod("dev", seed::NAMESPACE, "viewer-0");
    files.put("/projected", clusters.projected("dev", "viewer-0").expose());
    let credential = find(&context, json!({"path": "/projected"}), Some(AUDIENCE)).await.unwrap();
    assert_eq!(credential.facts["service-account"], seed::VIEWER);
    // The kubelet writes another.
    let next = clusters.projected("dev", "viewer-0");
    files.put("/projected", next.expose());
    let credential = find(&context, json!({"path": "/projected"}), Some(AUDIENCE)).await.unwrap();
    assert_eq!(jwt(&credential).expose(), next.expose());
}

#[tokio::test]
async fn rejects_an_account_without_a_role_and_says_which_one_it_needs() {
    let clusters = Clusters::new();
    let (context, _) = clusters.pod("dev", seed::NAMESPACE, "viewer-0");
    let error = find(&context, json!({"token": "request"}), Some(AUDIENCE)).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("rbac")));
    assert!(error.hints().join(" ").contains("serviceaccounts/token"), "{:?}", error.hints());
}

#[tokio::test]
async fn rejects_a_pod_that_is_gone() {
    let clusters = Clusters::new();
    let (context, _) = clusters.pod("dev", seed::NAMESPACE, "admin-0");
    clusters.delete_pod("dev", "admin-0").await;
    let error = find(&context, json!({}), Some(AUDIENCE)).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("token")));
}

#[tokio::test]
async fn rejects_the_token_of_another_cluster() {
    let clusters = Clusters::new();
    let (context, files) = clusters.pod("dev", seed::NAMESPACE, "admin-0");
    let other = clusters.emulator.projected_token("basic", seed::NAMESPACE, "admin-0", None).unwrap();
    files.put(TOKEN, other.expose());
    let error = find(&context, json!({}), Some(AUDIENCE)).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("token"));
}

#[tokio::test]
async fn the_named_account_is_asked_for_as_whoever_may() {
    let clusters = Clusters::new();
    let context = clusters.elsewhere();
    let admin = crate::support::cluster("dev");
    let files = std::sync::Arc::new(carnet_core::MemoryFiles::default());
    files.put("/admin", admin.admin_token);
    let context = carnet_core::Context { files, ..context };
    let api = json!({"url": format!("https://{}", admin.host), "token_file": "/admin"});
    let config = json!({"token": "request", "service_account": "example:viewer", "api": api});
    let credential = find(&context, config, Some(AUDIENCE)).await.unwrap();
    let account = ServiceAccount::new(seed::NAMESPACE, seed::VIEWER).unwrap();
    assert_eq!(credential.facts["principal"], account.subject());
    assert!(!credential.facts.contains_key("pod"), "it is bound to no pod");
    let config = json!({"token": "request", "api": api});
    let error = find(&context, config, Some(AUDIENCE)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration, "whose token is not said");
}

#[tokio::test]
async fn an_exec_credential_is_what_the_api_server_takes() {
    let clusters = Clusters::new();
    let (context, _) = clusters.pod("dev", seed::NAMESPACE, "admin-0");
    let credential = find(&context, json!({}), None).await.unwrap();
    let written = deliver::<ExecCredential>(&context, &credential).await;
    let token = Secret::new(written["status"]["token"].as_str().unwrap());
    let path = format!("/api/v1/namespaces/{}/pods", seed::NAMESPACE);
    assert_eq!(clusters.api("dev", &token, Method::GET, &path).await.status, 200);
    assert_eq!(clusters.api("basic", &token, Method::GET, &path).await.status, 401);
}

#[tokio::test]
async fn after_a_new_key_the_old_token_is_refused_and_the_next_one_is_not() {
    let clusters = Clusters::new();
    let (context, files) = clusters.pod("dev", seed::NAMESPACE, "admin-0");
    clusters.emulator.rotate_keys("kubernetes-dev");
    assert_eq!(find(&context, json!({}), Some(AUDIENCE)).await.unwrap_err().failed_clause(), Some("token"));
    let next = clusters.emulator.projected_token("dev", seed::NAMESPACE, "admin-0", None).unwrap();
    files.put(TOKEN, next.expose());
    find(&context, json!({}), Some(AUDIENCE)).await.unwrap();
}
