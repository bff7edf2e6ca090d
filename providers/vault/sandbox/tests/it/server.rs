//! Seal, wrapping, namespaces.

use serde_json::{Value, json};

use crate::support::Sandbox;

#[tokio::test]
async fn a_new_server_is_initialised_and_unsealed_once() {
    let sandbox = Sandbox::new();
    let at = async |method: &str, path: &str, body: Value| sandbox.send("vault-new", method, path, &[], body).await;
    assert_eq!(at("GET", "sys/health", Value::Null).await.0, 501);
    let shares = json!({ "secret_shares": 3, "secret_threshold": 2 });
    let (_, made) = at("PUT", "sys/init", shares.clone()).await;
    assert_eq!(at("PUT", "sys/init", shares).await.1["errors"][0], "Vault is already initialized");
    assert_eq!(at("GET", "sys/mounts", Value::Null).await.1["errors"][0], "Vault is sealed");
    assert_eq!(at("PUT", "sys/unseal", json!({ "key": made["keys"][0] })).await.1["progress"], 1);
    assert_eq!(at("PUT", "sys/unseal", json!({ "key": made["keys_base64"][1] })).await.1["sealed"], false);
    assert_eq!(at("GET", "sys/health", Value::Null).await.0, 200);
}

#[tokio::test]
async fn a_wrapper_opens_once() {
    let sandbox = Sandbox::new();
    let root = carnet_vault_sandbox::seed::ROOT_TOKEN;
    let headers = [("x-vault-token", root), ("x-vault-wrap-ttl", "60")];
    let (_, body) = sandbox.send("vault", "GET", "secret/data/app/db", &headers, Value::Null).await;
    assert_eq!((&body["data"], &body["wrap_info"]["ttl"]), (&Value::Null, &json!(60)));
    let token = body["wrap_info"]["token"].as_str().unwrap().to_owned();
    let (status, body) = sandbox.with(&token, "PUT", "sys/wrapping/unwrap", Value::Null).await;
    assert_eq!((status, &body["data"]["data"]["password"]), (200, &json!("sandbox")));
    let (status, body) = sandbox.with(&token, "PUT", "sys/wrapping/unwrap", Value::Null).await;
    assert_eq!((status, &body["errors"][0]), (400, &json!("wrapping token is not valid or does not exist")));
}

#[tokio::test]
async fn a_namespace_is_named_by_header_or_path() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.root("POST", "sys/namespaces/team", Value::Null).await.0, 200);
    let kv = json!({ "type": "kv", "options": { "version": "2" } });
    assert_eq!(sandbox.root("POST", "team/sys/mounts/kv", kv).await.0, 204);
    let root = carnet_vault_sandbox::seed::ROOT_TOKEN;
    let headers = [("x-vault-token", root), ("x-vault-namespace", "team")];
    assert_eq!(sandbox.send("vault", "POST", "kv/data/a", &headers, json!({ "data": {} })).await.0, 200);
    let headers = [("x-vault-token", root), ("x-vault-namespace", "other")];
    let (status, body) = sandbox.send("vault", "GET", "kv/data/a", &headers, Value::Null).await;
    assert_eq!((status, &body["errors"][0]), (404, &json!("namespace not found")));
}
