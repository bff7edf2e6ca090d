//! Version 2 on the wire.

use serde_json::{Value, json};

use crate::support::Sandbox;

#[tokio::test]
async fn a_deleted_version_says_when_it_went() {
    let sandbox = Sandbox::new();
    let (_, body) = sandbox.root("POST", "secret/data/x", json!({ "data": { "a": 1 } })).await;
    assert_eq!(body["data"]["version"], 1, "{body}");
    assert_eq!(sandbox.root("DELETE", "secret/data/x", Value::Null).await.0, 204);
    let (status, body) = sandbox.root("GET", "secret/data/x", Value::Null).await;
    assert_eq!((status, &body["data"]["data"]), (404, &Value::Null));
    assert_ne!(body["data"]["metadata"]["deletion_time"], "", "{body}");
    assert_eq!(sandbox.root("POST", "secret/undelete/x", json!({ "versions": [1] })).await.0, 204);
    assert_eq!(sandbox.root("GET", "secret/data/x", Value::Null).await.0, 200);
}

#[tokio::test]
async fn rejects_a_write_over_another_version() {
    let sandbox = Sandbox::new();
    let body = json!({ "data": {}, "options": { "cas": 0 } });
    assert_eq!(sandbox.root("POST", "secret/data/x", body.clone()).await.0, 200);
    let (status, body) = sandbox.root("POST", "secret/data/x", body).await;
    assert_eq!(
        (status, &body["errors"][0]),
        (400, &json!("check-and-set parameter did not match the current version"))
    );
}

#[tokio::test]
async fn both_ways_to_list_are_taken() {
    let sandbox = Sandbox::new();
    for (method, path) in [("LIST", "secret/metadata/"), ("GET", "secret/metadata?list=true")] {
        let (status, body) = sandbox.root(method, path, Value::Null).await;
        assert_eq!((status, &body["data"]["keys"]), (200, &json!(["app/", "neighbour/"])), "{method}");
    }
}
