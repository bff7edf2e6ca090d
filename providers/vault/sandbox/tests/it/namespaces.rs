//! Who administers a namespace, and what of it there is above.

use carnet_vault_sandbox::seed;
use serde_json::{Value, json};

use crate::support::Sandbox;

const ALL: &str = r#"path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }"#;

/// A request in the namespace `team`.
async fn within(sandbox: &Sandbox, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let headers = [("x-vault-token", token), ("x-vault-namespace", "team")];
    sandbox.send("vault", method, path, &headers, body).await
}

/// A namespace `team`, and a token of it that may do everything there.
async fn administrator(sandbox: &Sandbox) -> String {
    assert_eq!(sandbox.root("POST", "sys/namespaces/team", Value::Null).await.0, 200);
    let root = seed::ROOT_TOKEN;
    assert_eq!(within(sandbox, root, "PUT", "sys/policies/acl/all", json!({ "policy": ALL })).await.0, 204);
    assert_eq!(within(sandbox, root, "POST", "sys/auth/jwt", json!({ "type": "jwt" })).await.0, 204);
    let config = json!({ "oidc_discovery_url": seed::GITHUB_ISSUER, "bound_issuer": seed::GITHUB_ISSUER });
    assert_eq!(within(sandbox, root, "POST", "auth/jwt/config", config).await.0, 204);
    let role =
        json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": seed::AUDIENCE, "token_policies": "all" });
    assert_eq!(within(sandbox, root, "POST", "auth/jwt/role/app", role).await.0, 204);
    let body = json!({ "role": "app", "jwt": sandbox.job(json!({})) });
    let headers = [("x-vault-namespace", "team")];
    let (status, body) = sandbox.send("vault", "POST", "auth/jwt/login", &headers, body).await;
    assert_eq!(status, 200, "{body}");
    body["auth"]["client_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_administrator_of_a_namespace_has_no_say_over_tokens_above_it() {
    let sandbox = Sandbox::new();
    let admin = administrator(&sandbox).await;
    let (_, above) = sandbox.root("POST", "auth/token/create", json!({ "policies": "app" })).await;
    let (accessor, token) = (&above["auth"]["accessor"], &above["auth"]["client_token"]);
    for (path, status) in [("lookup", 403), ("renew", 400), ("revoke", 400), ("revoke-orphan", 400)] {
        let (seen, body) =
            within(&sandbox, &admin, "POST", &format!("auth/token/{path}"), json!({ "token": token })).await;
        assert_eq!(seen, status, "{path}: {body}");
    }
    for path in ["lookup-accessor", "renew-accessor", "revoke-accessor"] {
        let body = json!({ "accessor": accessor });
        let (status, body) = within(&sandbox, &admin, "POST", &format!("auth/token/{path}"), body).await;
        assert_eq!((status, &body["errors"][0]), (403, &json!("invalid accessor")), "{path}: {body}");
    }
    let asked = json!({ "token": token, "paths": ["secret/data/app/db"] });
    assert_eq!(within(&sandbox, &admin, "POST", "sys/capabilities", asked.clone()).await.0, 400);
    assert_eq!(sandbox.root("POST", "sys/capabilities", asked).await.0, 200);
    let token = token.as_str().unwrap();
    assert_eq!(sandbox.with(token, "GET", "auth/token/lookup-self", Value::Null).await.0, 200, "it lives");
    let (_, listed) = within(&sandbox, &admin, "LIST", "auth/token/accessors", Value::Null).await;
    assert!(!listed["data"]["keys"].as_array().unwrap().contains(accessor), "{listed}");
}

#[tokio::test]
async fn the_root_administers_tokens_of_a_namespace() {
    let sandbox = Sandbox::new();
    let admin = administrator(&sandbox).await;
    let (_, body) = sandbox.root("POST", "auth/token/lookup", json!({ "token": admin })).await;
    assert_eq!(body["data"]["namespace_path"], "team/", "{body}");
    let accessor = &body["data"]["accessor"];
    let (_, listed) = within(&sandbox, seed::ROOT_TOKEN, "LIST", "auth/token/accessors", Value::Null).await;
    assert_eq!(listed["data"]["keys"], json!([accessor]));
    let body = json!({ "accessor": accessor });
    assert_eq!(within(&sandbox, seed::ROOT_TOKEN, "POST", "auth/token/revoke-accessor", body).await.0, 204);
    assert_eq!(within(&sandbox, &admin, "GET", "auth/token/lookup-self", Value::Null).await.0, 403);
}

#[tokio::test]
async fn tokens_of_a_deleted_namespace_do_not_come_back_with_its_name() {
    let sandbox = Sandbox::new();
    let old = administrator(&sandbox).await;
    assert_eq!(within(&sandbox, &old, "GET", "auth/token/lookup-self", Value::Null).await.0, 200);
    assert_eq!(sandbox.root("DELETE", "sys/namespaces/team", Value::Null).await.0, 204);
    let new = administrator(&sandbox).await;
    assert_eq!(within(&sandbox, &new, "GET", "auth/token/lookup-self", Value::Null).await.0, 200);
    assert_eq!(within(&sandbox, &old, "GET", "auth/token/lookup-self", Value::Null).await.0, 403);
    let (status, _) = sandbox.root("POST", "auth/token/lookup", json!({ "token": old })).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn a_token_made_in_a_namespace_works_there_only() {
    let sandbox = Sandbox::new();
    administrator(&sandbox).await;
    let body = json!({ "policies": "all" });
    let (status, made) = within(&sandbox, seed::ROOT_TOKEN, "POST", "auth/token/create", body).await;
    assert_eq!((status, &made["auth"]["token_policies"]), (200, &json!(["all", "default"])), "{made}");
    let token = made["auth"]["client_token"].as_str().unwrap();
    assert_eq!(within(&sandbox, token, "GET", "sys/policies/acl/all", Value::Null).await.0, 200);
    assert_eq!(sandbox.with(token, "GET", "auth/token/lookup-self", Value::Null).await.0, 403);
}

#[tokio::test]
async fn rejects_tokens_made_in_a_namespace_below_without_sudo_or_as_root() {
    let sandbox = Sandbox::new();
    administrator(&sandbox).await;
    let body = json!({ "policies": "root" });
    let (status, body) = within(&sandbox, seed::ROOT_TOKEN, "POST", "auth/token/create", body).await;
    assert_eq!((status, &body["errors"][0]), (400, &json!("root tokens may not be created from a parent namespace")));
    let policy = json!({ "policy": "path \"team/auth/token/create\" { capabilities = [\"update\"] }" });
    assert_eq!(sandbox.root("PUT", "sys/policies/acl/app", policy).await.0, 204);
    let token = sandbox.token().await;
    let (status, body) = within(&sandbox, &token, "POST", "auth/token/create", json!({})).await;
    let text = "root or sudo privileges required to directly generate a token in a child namespace";
    assert_eq!((status, &body["errors"][0]), (400, &json!(text)));
}

#[tokio::test]
async fn rejects_paths_of_the_whole_server_in_a_namespace() {
    let sandbox = Sandbox::new();
    let admin = administrator(&sandbox).await;
    for (method, path) in [
        ("PUT", "sys/seal"),
        ("GET", "sys/seal-status"),
        ("PUT", "sys/unseal"),
        ("GET", "sys/health"),
        ("GET", "sys/init"),
        ("GET", "sys/leader"),
    ] {
        let by_header = within(&sandbox, &admin, method, path, Value::Null).await;
        let by_path = sandbox.with(&admin, method, &format!("team/{path}"), Value::Null).await;
        for (status, body) in [by_header, by_path] {
            let wanted = (400, &json!("operation unavailable in namespaces"));
            assert_eq!((status, &body["errors"][0]), wanted, "{method} {path}");
        }
    }
    let (status, body) = sandbox.root("GET", "secret/data/app/db", Value::Null).await;
    assert_eq!(status, 200, "it is not sealed: {body}");
}
