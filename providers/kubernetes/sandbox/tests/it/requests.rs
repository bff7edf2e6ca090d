//! TokenRequest.

use carnet_kubernetes_sandbox::seed;
use carnet_sandbox_kit::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::support::{AUDIENCE, Clusters, NOW, claims, token_path};

fn uid(claims: &Value, part: &str) -> Value {
    claims["kubernetes.io"][part]["uid"].clone()
}

#[tokio::test]
async fn a_pods_own_token_counts_for_a_year_and_says_when_it_should_be_replaced() {
    let clusters = Clusters::new();
    let claims = claims(&clusters.pod("dev", "admin-0"));
    assert_eq!(claims["aud"], json!([seed::DEFAULT_ISSUER]));
    assert_eq!((&claims["exp"], &claims["kubernetes.io"]["warnafter"]), (&json!(NOW + 31_536_000), &json!(NOW + 3607)));
    assert_eq!(claims["kubernetes.io"]["node"]["name"], seed::NODE);
}

#[tokio::test]
async fn an_account_gets_a_token_of_itself_bound_to_its_pod() {
    let clusters = Clusters::new();
    let own = clusters.pod("dev", "admin-0");
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "name": "admin-0", "uid": uid(&claims(&own), "pod")});
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": [AUDIENCE], "expirationSeconds": 600, "boundObjectRef": pod},
    });
    let (status, made) = clusters.ask("dev", &own, "POST", &token_path(seed::ADMIN), body).await;
    assert_eq!(status, 201, "{made}");
    let given = claims(made["status"]["token"].as_str().unwrap());
    assert_eq!((&given["aud"], &given["exp"]), (&json!([AUDIENCE]), &json!(NOW + 600)));
    assert_eq!(made["status"]["expirationTimestamp"], "2026-11-21T12:10:00Z");
    assert_eq!(given["kubernetes.io"]["pod"], json!({"name": "admin-0", "uid": pod["uid"]}));
    assert_eq!(given["kubernetes.io"].get("warnafter"), None);
}

#[tokio::test]
async fn what_is_not_said_has_its_default() {
    let clusters = Clusters::new();
    let (_, made) = clusters.admin("dev", "POST", &token_path(seed::VIEWER), json!({})).await;
    let given = claims(made["status"]["token"].as_str().unwrap());
    assert_eq!((&given["aud"], &given["exp"]), (&json!([seed::DEFAULT_ISSUER]), &json!(NOW + 3600)));
    assert_eq!(given["kubernetes.io"].get("pod"), None);
}

#[tokio::test]
async fn rejects_an_account_that_may_not_make_tokens() {
    let clusters = Clusters::new();
    let viewer = clusters.pod("dev", "viewer-0");
    for account in [seed::VIEWER, seed::ADMIN] {
        let (status, body) = clusters.ask("dev", &viewer, "POST", &token_path(account), json!({})).await;
        assert_eq!((status, body["reason"].as_str()), (403, Some("Forbidden")), "{account}");
    }
    let admin = clusters.pod("dev", "admin-0");
    assert_eq!(clusters.ask("dev", &admin, "POST", &token_path(seed::VIEWER), json!({})).await.0, 403);
    assert_eq!(clusters.ask("dev", "", "POST", &token_path(seed::ADMIN), json!({})).await.0, 403);
}

#[tokio::test]
async fn rejects_requests_that_are_bent_in_one_place() {
    let clusters = Clusters::new();
    let pod = |name: &str, uid: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid});
    for (spec, status) in [
        (json!({"expirationSeconds": 599}), 422),
        (json!({"expirationSeconds": 4_294_967_297_i64}), 422),
        (json!({"expirationSeconds": "600"}), 400),
        (json!({"audiences": "a"}), 400),
        (json!({"audiences": [7]}), 400),
        (json!({"boundObjectRef": pod("absent", "")}), 404),
        (json!({"boundObjectRef": pod("viewer-0", "")}), 400),
        (json!({"boundObjectRef": pod("admin-0", "another")}), 409),
        (json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "s"}}), 400),
        (json!([]), 400),
    ] {
        let body = json!({"spec": spec});
        let (seen, body) = clusters.admin("dev", "POST", &token_path(seed::ADMIN), body).await;
        assert_eq!(seen, status, "{spec}: {body}");
        assert_eq!(body["code"], status);
    }
    assert_eq!(clusters.admin("dev", "POST", &token_path("absent"), json!({})).await.0, 404);
    assert_eq!(clusters.admin("dev", "POST", &token_path(seed::ADMIN), json!({"kind": "TokenReview"})).await.0, 400);
    assert_eq!(clusters.admin("dev", "POST", &token_path(seed::ADMIN), Value::Null).await.0, 400);
    assert_eq!(clusters.admin("dev", "GET", &token_path(seed::ADMIN), Value::Null).await.0, 405);
}

#[tokio::test]
async fn under_the_fault_expired_tokens_are_over_before_they_are_given() {
    let clusters = Clusters::new();
    clusters.world.faults.add(Fault::new(FaultKind::Expired).service("kubernetes-dev"));
    let (_, made) = clusters.admin("dev", "POST", &token_path(seed::ADMIN), json!({})).await;
    assert!(claims(made["status"]["token"].as_str().unwrap())["exp"].as_i64().unwrap() < NOW);
}
