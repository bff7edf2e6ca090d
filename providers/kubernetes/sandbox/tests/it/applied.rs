//! Server-side apply, updates and their conflicts.

use serde_json::{Value, json};

use crate::support::Clusters;

const MAP: &str = "/api/v1/namespaces/example/configmaps/a";

fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

#[tokio::test]
async fn what_is_applied_is_made_and_what_is_not_wanted_any_more_goes() {
    let clusters = Clusters::new();
    let (status, made) = clusters.apply(MAP, "one", false, map(json!({"x": "1", "y": "2"}))).await;
    assert_eq!((status, &made["data"]), (201, &json!({"x": "1", "y": "2"})));
    let (status, now) = clusters.apply(MAP, "one", false, map(json!({"x": "1"}))).await;
    assert_eq!((status, &now["data"]), (200, &json!({"x": "1"})));
}

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let clusters = Clusters::new();
    let (_, made) = clusters.apply(MAP, "one", false, map(json!({"x": "1"}))).await;
    let (_, again) = clusters.apply(MAP, "one", false, map(json!({"x": "1"}))).await;
    assert_eq!(made["metadata"]["resourceVersion"], again["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn rejects_what_somebody_else_has_set_unless_it_is_forced() {
    let clusters = Clusters::new();
    clusters.apply(MAP, "one", false, map(json!({"x": "1", "y": "2"}))).await;
    let (status, answer) = clusters.apply(MAP, "two", false, map(json!({"x": "3"}))).await;
    assert_eq!(status, 409, "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("conflict with \"one\": .data.x"), "{answer}");
    let (status, now) = clusters.apply(MAP, "two", true, map(json!({"x": "3"}))).await;
    assert_eq!((status, &now["data"]), (200, &json!({"x": "3", "y": "2"})));
    let (_, now) = clusters.apply(MAP, "one", false, map(json!({}))).await;
    assert_eq!(now["data"], json!({"x": "3"}), "what belongs to the other stays");
}

#[tokio::test]
async fn what_two_managers_set_alike_stays_until_both_let_go() {
    let clusters = Clusters::new();
    clusters.apply(MAP, "one", false, map(json!({"x": "1"}))).await;
    clusters.apply(MAP, "two", false, map(json!({"x": "1"}))).await;
    let (_, now) = clusters.apply(MAP, "one", false, map(json!({}))).await;
    assert_eq!(now["data"], json!({"x": "1"}));
    let (_, now) = clusters.apply(MAP, "two", false, map(json!({}))).await;
    assert_eq!(now["data"], Value::Null);
}

#[tokio::test]
async fn containers_are_merged_by_their_names() {
    let clusters = Clusters::new();
    let path = "/apis/apps/v1/namespaces/example/deployments/d";
    let deployment = |containers: Value| {
        let spec = json!({"template": {"spec": {"containers": containers}}});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec})
    };
    clusters.apply(path, "one", false, deployment(json!([{"name": "a", "image": "1"}]))).await;
    clusters.apply(path, "two", false, deployment(json!([{"name": "side", "image": "2"}]))).await;
    let (_, now) = clusters.apply(path, "one", false, deployment(json!([{"name": "a", "image": "3"}]))).await;
    let containers = json!([{"name": "a", "image": "3"}, {"name": "side", "image": "2"}]);
    assert_eq!(now["spec"]["template"]["spec"]["containers"], containers);
    let (_, now) = clusters.apply(path, "two", false, deployment(json!([]))).await;
    assert_eq!(now["spec"]["template"]["spec"]["containers"], json!([{"name": "a", "image": "3"}]));
    assert_eq!(now["metadata"]["generation"], 4);
}

#[tokio::test]
async fn rejects_an_update_of_what_has_changed_meanwhile() {
    let clusters = Clusters::new();
    let (_, made) = clusters.apply(MAP, "one", false, map(json!({"x": "1"}))).await;
    let mut update = made.clone();
    update["data"]["x"] = json!("2");
    let (status, _) = clusters.admin("dev", "PUT", MAP, update.clone()).await;
    assert_eq!(status, 200);
    let (status, answer) = clusters.admin("dev", "PUT", MAP, update).await;
    assert_eq!((status, &answer["reason"]), (409, &json!("Conflict")));
}

#[tokio::test]
async fn rejects_applying_without_a_manager_and_other_patches() {
    let clusters = Clusters::new();
    let kind = "application/apply-patch+yaml";
    assert_eq!(clusters.patch(MAP, kind, map(json!({}))).await.0, 400);
    clusters.apply(MAP, "one", false, map(json!({}))).await;
    assert_eq!(clusters.patch(MAP, "application/json-patch+json", json!([])).await.0, 415);
}
