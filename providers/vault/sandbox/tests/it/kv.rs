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

/// A body of 24 MiB with one text in it.
fn large() -> String {
    let text = "x".repeat(24 << 20);
    format!(r#"{{"data":{{"a":"{text}"}}}}"#)
}

#[tokio::test]
async fn rejects_secrets_that_are_too_many_together() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.root("POST", "sys/mounts/one", json!({ "type": "kv" })).await.0, 204);
    let headers = [("x-vault-token", carnet_vault_sandbox::seed::ROOT_TOKEN)];
    let put = async |path: &str| sandbox.send_text("vault", "POST", path, &headers, large()).await;
    assert_eq!(put("secret/data/x").await.0, 200);
    assert_eq!(put("one/a").await.0, 204);
    for path in ["secret/data/y", "one/b", "cubbyhole/a"] {
        let (status, body) = put(path).await;
        assert_eq!((status, &body["errors"][0]), (413, &json!("put failed due to value being too large")), "{path}");
    }
    assert_eq!(sandbox.root("PUT", "secret/destroy/x", json!({ "versions": [1] })).await.0, 204);
    assert_eq!(put("cubbyhole/a").await.0, 204);
    assert_eq!(put("secret/data/y").await.0, 413);
    assert_eq!(sandbox.root("DELETE", "one/a", Value::Null).await.0, 204);
    assert_eq!(put("secret/data/y").await.0, 200);
}

#[tokio::test]
async fn rejects_metadata_over_their_bounds() {
    let sandbox = Sandbox::new();
    let many: serde_json::Map<String, Value> = (0..65).map(|at| (format!("k{at}"), json!("v"))).collect();
    for custom in [json!(many), json!({ "k": "v".repeat(513) }), json!({ "k".repeat(129): "v" }), json!({ "k": 1 })] {
        let body = json!({ "custom_metadata": custom });
        assert_eq!(sandbox.root("POST", "secret/metadata/x", body).await.0, 400);
    }
    let most = json!({ "custom_metadata": { "k".repeat(128): "v".repeat(512) } });
    assert_eq!(sandbox.root("POST", "secret/metadata/x", most).await.0, 204);
}
