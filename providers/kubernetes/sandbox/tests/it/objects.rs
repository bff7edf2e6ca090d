//! Namespaces, pods and service accounts.

use serde_json::{Value, json};

use crate::support::Clusters;

const PODS: &str = "/api/v1/namespaces/example/pods";

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().filter_map(|item| item["metadata"]["name"].as_str()).collect()
}

#[tokio::test]
async fn the_seeded_pods_are_listed_with_their_accounts() {
    let clusters = Clusters::new();
    let admin = clusters.pod("dev", "admin-0");
    let (status, list) = clusters.ask("dev", &admin, "GET", PODS, Value::Null).await;
    assert_eq!((status, &list["kind"]), (200, &json!("PodList")));
    assert_eq!(names(&list), ["admin-0", "viewer-0"]);
    assert_eq!(list["items"][0]["spec"]["serviceAccountName"], "admin");
    let (_, all) = clusters.admin("dev", "GET", "/api/v1/pods", Value::Null).await;
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn clusters_do_not_share_their_objects() {
    let clusters = Clusters::new();
    assert_eq!(clusters.admin("dev", "DELETE", &format!("{PODS}/admin-0"), Value::Null).await.0, 200);
    assert_eq!(clusters.admin("dev", "GET", &format!("{PODS}/admin-0"), Value::Null).await.0, 404);
    assert_eq!(clusters.admin("prod", "GET", &format!("{PODS}/admin-0"), Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_namespace_begins_with_its_default_account_and_ends_with_all_that_is_in_it() {
    let clusters = Clusters::new();
    let namespace = json!({"metadata": {"name": "team"}});
    assert_eq!(clusters.admin("dev", "POST", "/api/v1/namespaces", namespace.clone()).await.0, 201);
    assert_eq!(clusters.admin("dev", "POST", "/api/v1/namespaces", namespace).await.0, 409);
    let pods = "/api/v1/namespaces/team/pods";
    let (status, pod) = clusters.admin("dev", "POST", pods, json!({"metadata": {"name": "a", "uid": "mine"}})).await;
    assert_eq!((status, &pod["spec"]["serviceAccountName"]), (201, &json!("default")));
    assert_ne!(pod["metadata"]["uid"], "mine", "a client does not choose the UID");
    assert_eq!(clusters.admin("dev", "DELETE", "/api/v1/namespaces/team", Value::Null).await.0, 200);
    assert_eq!(names(&clusters.admin("dev", "GET", pods, Value::Null).await.1), [""; 0]);
}

#[tokio::test]
async fn rejects_objects_that_cannot_be() {
    let clusters = Clusters::new();
    let named = |name: &str| json!({"metadata": {"name": name}});
    for (path, body, status) in [
        (PODS, json!({}), 422),
        (PODS, named("Upper"), 422),
        (PODS, named("../x"), 422),
        (PODS, named("admin-0"), 409),
        (PODS, json!({"metadata": {"name": "x"}, "spec": {"serviceAccountName": "absent"}}), 403),
        (PODS, json!({"kind": "Secret", "metadata": {"name": "x"}}), 400),
        ("/api/v1/namespaces/absent/pods", named("x"), 404),
        ("/api/v1/namespaces/example/absent", named("x"), 404),
    ] {
        let (seen, answer) = clusters.admin("dev", "POST", path, body.clone()).await;
        assert_eq!(seen, status, "{path} {body}: {answer}");
    }
    assert_eq!(clusters.admin("dev", "PATCH", PODS, json!({})).await.0, 405);
}
