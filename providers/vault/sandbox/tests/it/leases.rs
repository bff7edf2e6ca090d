//! Leases: only tokens have one.

use serde_json::{Value, json};

use crate::support::Sandbox;

/// The one lease of a login.
async fn lease(sandbox: &Sandbox) -> String {
    let (status, body) = sandbox.root("LIST", "sys/leases/lookup/auth/jwt/login", Value::Null).await;
    assert_eq!((status, body["data"]["keys"].as_array().map(Vec::len)), (200, Some(1)), "{body}");
    format!("auth/jwt/login/{}", body["data"]["keys"][0].as_str().unwrap())
}

#[tokio::test]
async fn the_lease_of_a_token_is_listed_looked_at_and_revoked() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    let id = lease(&sandbox).await;
    assert!(!id.contains(&token), "{id}");
    let body = json!({ "lease_id": id });
    let (status, seen) = sandbox.root("PUT", "sys/leases/lookup", body.clone()).await;
    assert_eq!((status, &seen["data"]["id"], &seen["data"]["ttl"]), (200, &json!(id), &json!(3600)), "{seen}");
    let (status, answer) = sandbox.root("PUT", "sys/leases/renew", body.clone()).await;
    let text = "tokens cannot be renewed through this endpoint";
    assert_eq!((status, &answer["errors"][0]), (400, &json!(text)));
    assert_eq!(sandbox.root("PUT", &format!("sys/leases/revoke/{id}"), Value::Null).await.0, 204);
    assert_eq!(sandbox.with(&token, "GET", "auth/token/lookup-self", Value::Null).await.0, 403);
    let (status, answer) = sandbox.root("PUT", "sys/leases/lookup", body).await;
    assert_eq!((status, &answer["errors"][0]), (400, &json!("invalid lease")));
    assert_eq!(sandbox.root("LIST", "sys/leases/lookup/auth/jwt/login", Value::Null).await.0, 404);
}

#[tokio::test]
async fn tokens_end_by_the_path_that_made_them_and_other_leases_are_not_there() {
    let sandbox = Sandbox::new();
    for (path, status) in [("sys/leases/lookup", 400), ("sys/leases/renew", 400), ("sys/leases/revoke", 204)] {
        assert_eq!(sandbox.root("PUT", path, json!({ "lease_id": "secret/x" })).await.0, status, "{path}");
    }
    for which in ["revoke-prefix", "revoke-force"] {
        let token = sandbox.token().await;
        assert_eq!(sandbox.root("PUT", &format!("sys/leases/{which}/auth/jwt"), Value::Null).await.0, 204);
        assert_eq!(sandbox.with(&token, "GET", "auth/token/lookup-self", Value::Null).await.0, 403, "{which}");
    }
}

#[tokio::test]
async fn rejects_leases_of_others_without_sudo() {
    let sandbox = Sandbox::new();
    let all = r#"path "sys/leases/*" { capabilities = ["create", "read", "update", "delete", "list"] }"#;
    assert_eq!(sandbox.root("PUT", "sys/policies/acl/app", json!({ "policy": all })).await.0, 204);
    let token = sandbox.token().await;
    for (method, path) in [("LIST", "lookup/auth"), ("PUT", "revoke-prefix/auth"), ("PUT", "revoke-force/auth")] {
        let (status, body) = sandbox.with(&token, method, &format!("sys/leases/{path}"), Value::Null).await;
        assert_eq!(status, 403, "{path}: {body}");
    }
    let (status, _) = sandbox.root("GET", "sys/leases/lookup/auth", Value::Null).await;
    assert_eq!(status, 405);
}
