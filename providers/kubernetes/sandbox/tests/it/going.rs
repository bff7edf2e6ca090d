//! Finalizers and owners.

use serde_json::{Value, json};

use crate::support::Clusters;

const MAPS: &str = "/api/v1/namespaces/example/configmaps";

async fn made(clusters: &Clusters, metadata: Value) -> Value {
    let (status, made) = clusters.admin("dev", "POST", MAPS, json!({ "metadata": metadata })).await;
    assert_eq!(status, 201, "{made}");
    made
}

async fn status(clusters: &Clusters, name: &str) -> u16 {
    clusters.admin("dev", "GET", &format!("{MAPS}/{name}"), Value::Null).await.0
}

#[tokio::test]
async fn what_is_held_goes_when_the_last_lets_go() {
    let clusters = Clusters::new();
    made(&clusters, json!({"name": "a", "finalizers": ["x/1", "x/2"]})).await;
    let path = format!("{MAPS}/a");
    let (_, marked) = clusters.admin("dev", "DELETE", &path, Value::Null).await;
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let merge = "application/merge-patch+json";
    let held = |list: Value| json!({"metadata": {"finalizers": list}});
    assert_eq!(clusters.patch(&path, merge, held(json!(["x/1", "x/3"]))).await.0, 422, "nobody new may hold it");
    assert_eq!(clusters.patch(&path, merge, held(json!(["x/1"]))).await.0, 200);
    assert_eq!(status(&clusters, "a").await, 200);
    assert_eq!(clusters.patch(&path, merge, held(json!([]))).await.0, 200);
    assert_eq!(status(&clusters, "a").await, 404);
}

#[tokio::test]
async fn what_is_owned_goes_with_its_last_owner() {
    let clusters = Clusters::new();
    let owner = |made: &Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": made["metadata"]["name"], "uid": made["metadata"]["uid"]});
    let one = owner(&made(&clusters, json!({"name": "one"})).await);
    let two = owner(&made(&clusters, json!({"name": "two"})).await);
    made(&clusters, json!({"name": "below", "ownerReferences": [one, two]})).await;
    clusters.admin("dev", "DELETE", &format!("{MAPS}/one"), Value::Null).await;
    assert_eq!(status(&clusters, "below").await, 200);
    clusters.admin("dev", "DELETE", &format!("{MAPS}/two"), Value::Null).await;
    assert_eq!(status(&clusters, "below").await, 404);
}

#[tokio::test]
async fn rejects_a_deletion_of_another_than_was_meant() {
    let clusters = Clusters::new();
    made(&clusters, json!({"name": "a"})).await;
    let options = json!({"preconditions": {"uid": "another"}});
    assert_eq!(clusters.admin("dev", "DELETE", &format!("{MAPS}/a"), options).await.0, 409);
}
