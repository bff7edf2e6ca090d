//! Objects that are there already.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Reply, Sandbox};

const OBJECT: &str = "/storage/v1/b/carnet-logs/o/log";

async fn put(sandbox: &Sandbox, token: &str, more: &str) -> Reply {
    let uri = format!("/upload/storage/v1/b/carnet-logs/o?uploadType=media&name=log{more}");
    let authorization = format!("Bearer {token}");
    sandbox.send("gcp-storage", Method::POST, &uri, &[("authorization", &authorization)], "content").await
}

#[tokio::test]
async fn rejects_to_replace_an_object_without_the_permission_to_delete() {
    let sandbox = Sandbox::new();
    let builder = sandbox.builder().await;
    let reader = sandbox.reader().await;
    let uri = "/v1/projects/carnet-sandbox:getIamPolicy";
    let mut policy = sandbox.api("gcp-resourcemanager", "POST", uri, &builder, json!({})).await.ok();
    let members = json!([format!("serviceAccount:{}", carnet_gcp_sandbox::seed::READER)]);
    policy["bindings"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "role": "roles/storage.objectCreator", "members": members }));
    let uri = "/v1/projects/carnet-sandbox:setIamPolicy";
    sandbox.api("gcp-resourcemanager", "POST", uri, &builder, json!({ "policy": policy })).await.ok();
    assert_eq!(put(&sandbox, &reader, "").await.status, 200);
    let again = put(&sandbox, &reader, "").await;
    assert_eq!(again.status, 403);
    assert!(again.text().contains("storage.objects.delete"), "{}", again.text());
    assert_eq!(put(&sandbox, &builder, "").await.status, 200);
}

#[tokio::test]
async fn rejects_preconditions_that_do_not_hold() {
    let sandbox = Sandbox::new();
    let builder = sandbox.builder().await;
    let made = put(&sandbox, &builder, "&ifGenerationMatch=0").await.ok();
    let generation = made["generation"].as_str().unwrap();
    assert_eq!(put(&sandbox, &builder, "&ifGenerationMatch=0").await.status, 412, "there is one now");
    assert_eq!(put(&sandbox, &builder, "&ifMetagenerationMatch=2").await.status, 412);
    assert_eq!(put(&sandbox, &builder, "&ifGenerationMatch=x").await.status, 400);
    let call = async |method: &str, query: &str| {
        let uri = format!("{OBJECT}?{query}");
        sandbox.api("gcp-storage", method, &uri, &builder, Value::Null).await.status.as_u16()
    };
    for (method, query, status) in [
        ("GET", format!("ifGenerationMatch={generation}"), 200),
        ("GET", "ifGenerationMatch=1".to_owned(), 412),
        ("GET", format!("ifGenerationNotMatch={generation}"), 304),
        ("DELETE", format!("ifGenerationNotMatch={generation}"), 412),
        ("DELETE", "ifGenerationMatch=1".to_owned(), 412),
        ("DELETE", format!("ifGenerationMatch={generation}&ifMetagenerationMatch=1"), 204),
    ] {
        assert_eq!(call(method, &query).await, status, "{method} {query}");
    }
}

#[tokio::test]
async fn rejects_names_that_no_object_can_have() {
    let sandbox = Sandbox::new();
    let builder = sandbox.builder().await;
    assert_eq!(put(&sandbox, &builder, "%20x").await.status, 200);
    assert_eq!(put(&sandbox, &builder, "%0Ax").await.status, 400);
    let authorization = format!("Bearer {builder}");
    for (place, name, status) in [
        ("/upload/storage/v1", "x", 200),
        ("/upload/storage/v1", ".", 400),
        ("/upload/storage/v1", "..", 400),
        ("/upload/storage/v1", ".well-known/acme-challenge/x", 400),
        ("/upload/other/v1", "x", 404),
    ] {
        let uri = format!("{place}/b/carnet-logs/o?uploadType=media&name={name}");
        let headers = [("authorization", authorization.as_str())];
        let reply = sandbox.send("gcp-storage", Method::POST, &uri, &headers, "x").await;
        assert_eq!(reply.status, status, "{place} {name}");
    }
}
