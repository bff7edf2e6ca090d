//! Roles and bindings.

use serde_json::{Value, json};

use crate::support::Clusters;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/example/configmaps";

/// Gives the account `viewer` this role in the whole cluster.
async fn grant(clusters: &Clusters, rules: Value) {
    let role = json!({"metadata": {"name": "given"}, "rules": rules});
    assert_eq!(clusters.admin("dev", "POST", &format!("{RBAC}/clusterroles"), role).await.0, 201);
    let subject = json!({"kind": "ServiceAccount", "namespace": "example", "name": "viewer"});
    let binding = json!({"metadata": {"name": "given"}, "roleRef": {"kind": "ClusterRole", "name": "given"}, "subjects": [subject]});
    assert_eq!(clusters.admin("dev", "POST", &format!("{RBAC}/clusterrolebindings"), binding).await.0, 201);
}

#[tokio::test]
async fn an_account_may_what_its_roles_say_and_no_more() {
    let clusters = Clusters::new();
    let viewer = clusters.pod("dev", "viewer-0");
    assert_eq!(clusters.ask("dev", &viewer, "GET", MAPS, Value::Null).await.0, 403);
    grant(&clusters, json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]}])).await;
    assert_eq!(clusters.ask("dev", &viewer, "GET", MAPS, Value::Null).await.0, 200);
    assert_eq!(clusters.ask("dev", &viewer, "GET", &format!("{MAPS}/a"), Value::Null).await.0, 403);
    assert_eq!(clusters.ask("dev", &viewer, "POST", MAPS, json!({"metadata": {"name": "a"}})).await.0, 403);
}

#[tokio::test]
async fn rejects_a_role_with_more_than_its_author_has() {
    let clusters = Clusters::new();
    let viewer = clusters.pod("dev", "viewer-0");
    let roles = json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["create"]});
    grant(&clusters, json!([roles, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}])).await;
    let role = |verb: &str| json!({"metadata": {"name": verb}, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": [verb]}]});
    let path = format!("{RBAC}/namespaces/example/roles");
    assert_eq!(clusters.ask("dev", &viewer, "POST", &path, role("get")).await.0, 201);
    let (status, answer) = clusters.ask("dev", &viewer, "POST", &path, role("delete")).await;
    assert_eq!(status, 403);
    assert!(answer["message"].as_str().unwrap().contains("permissions not currently held"), "{answer}");
}
