//! Paths of the system and of tokens that take a right of their own, and what they answer with it and without.

use carnet_vault_sandbox::seed;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::Sandbox;

/// A token of a policy with this one block.
async fn may(sandbox: &Sandbox, path: &str, capabilities: &str) -> String {
    let policy = format!("path \"{path}\" {{ capabilities = [{capabilities}] }}");
    assert_eq!(sandbox.root("PUT", "sys/policies/acl/may", json!({ "policy": policy })).await.0, 204);
    let (status, body) = sandbox.root("POST", "auth/token/create", json!({ "policies": "may" })).await;
    assert_eq!(status, 200, "{body}");
    body["auth"]["client_token"].as_str().unwrap().to_owned()
}

#[track_caller]
fn said((status, body): (u16, Value), wanted: u16, text: &str) {
    assert_eq!(status, wanted, "{body}");
    assert!(body["errors"][0].as_str().unwrap().contains(text), "{body}");
}

#[tokio::test]
async fn the_preflight_tells_the_mount_to_who_may_use_it() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    let (status, body) = sandbox.with(&token, "GET", "sys/internal/ui/mounts/secret/app/db", Value::Null).await;
    assert_eq!((status, &body["data"]["path"]), (200, &json!("secret/")), "{body}");
    assert_eq!((&body["data"]["type"], &body["data"]["options"]["version"]), (&json!("kv"), &json!("2")));
    let (_, listed) = sandbox.root("GET", "sys/internal/ui/mounts", Value::Null).await;
    assert!(listed["data"]["secret"].get("secret/").is_some(), "{listed}");
    said(
        sandbox.with(&token, "GET", "sys/internal/ui/mounts/other/x", Value::Null).await,
        403,
        "preflight capability check returned 403",
    );
    let stranger = may(&sandbox, "elsewhere/*", r#""read""#).await;
    said(
        sandbox.with(&stranger, "GET", "sys/internal/ui/mounts/secret/app/db", Value::Null).await,
        403,
        "preflight capability check returned 403",
    );
}

#[tokio::test]
async fn rejects_bodies_over_the_bound() {
    let sandbox = Sandbox::new();
    let headers = [("x-vault-token", seed::ROOT_TOKEN)];
    let most = 32 << 20;
    for (size, status) in [(most, 400), (most + 1, 413)] {
        let (seen, _) = sandbox.send_text("vault", "POST", "secret/data/x", &headers, vec![b' '; size]).await;
        assert_eq!(seen, status, "{size}");
    }
}

#[tokio::test]
async fn rejects_methods_that_a_path_does_not_have() {
    let sandbox = Sandbox::new();
    for (method, path) in [
        ("DELETE", "auth/token/lookup-self"),
        ("GET", "auth/jwt/login"),
        ("DELETE", "auth/jwt/config"),
        ("POST", "sys/health"),
        ("POST", "sys/internal/ui/mounts/secret"),
    ] {
        said(sandbox.root(method, path, Value::Null).await, 405, "unsupported operation");
    }
    assert_eq!(sandbox.root("OPTIONS", "sys/health", Value::Null).await.0, 405);
}

#[tokio::test]
async fn create_orphan_takes_sudo_and_makes_a_token_that_outlives_its_maker() {
    let sandbox = Sandbox::new();
    let token = may(&sandbox, "auth/token/create-orphan", r#""update""#).await;
    said(sandbox.with(&token, "POST", "auth/token/create-orphan", json!({})).await, 403, "permission denied");
    let token = may(&sandbox, "auth/token/create-orphan", r#""update", "sudo""#).await;
    let (status, body) = sandbox.with(&token, "POST", "auth/token/create-orphan", json!({})).await;
    assert_eq!((status, &body["auth"]["orphan"]), (200, &json!(true)), "{body}");
    let orphan = body["auth"]["client_token"].as_str().unwrap();
    assert_eq!(sandbox.with(&token, "POST", "auth/token/revoke-self", json!({})).await.0, 204);
    let (status, body) = sandbox.with(orphan, "GET", "auth/token/lookup-self", Value::Null).await;
    assert_eq!((status, &body["data"]["path"]), (200, &json!("auth/token/create-orphan")), "{body}");
}

#[tokio::test]
async fn accessors_are_listed_with_sudo_and_end_their_tokens_without_showing_them() {
    let sandbox = Sandbox::new();
    let token = may(&sandbox, "auth/token/accessors/*", r#""list""#).await;
    said(sandbox.with(&token, "LIST", "auth/token/accessors", Value::Null).await, 403, "permission denied");
    let token = may(&sandbox, "auth/token/accessors/*", r#""list", "sudo""#).await;
    let (_, listed) = sandbox.with(&token, "LIST", "auth/token/accessors", Value::Null).await;
    let (_, own) = sandbox.with(&token, "GET", "auth/token/lookup-self", Value::Null).await;
    let accessor = &own["data"]["accessor"];
    assert!(listed["data"]["keys"].as_array().unwrap().contains(accessor), "{listed}");
    let body = json!({ "accessor": accessor });
    let (_, seen) = sandbox.root("POST", "auth/token/lookup-accessor", body.clone()).await;
    assert_eq!((&seen["data"]["id"], &seen["data"]["accessor"]), (&json!(""), accessor), "{seen}");
    sandbox.clock.advance(SignedDuration::from_hours(1));
    let (_, renewed) = sandbox.root("POST", "auth/token/renew-accessor", body.clone()).await;
    assert_eq!((&renewed["auth"]["client_token"], &renewed["auth"]["accessor"]), (&json!(""), accessor), "{renewed}");
    assert_eq!(sandbox.root("POST", "auth/token/revoke-accessor", body.clone()).await.0, 204);
    assert_eq!(sandbox.with(&token, "GET", "auth/token/lookup-self", Value::Null).await.0, 403);
    said(sandbox.root("POST", "auth/token/lookup-accessor", body).await, 403, "invalid accessor");
}

/// What is in a wrapper that was asked for with this request.
async fn wrapped(sandbox: &Sandbox, path: &str, body: Value) -> Value {
    let headers = [("x-vault-token", seed::ROOT_TOKEN), ("x-vault-wrap-ttl", "60")];
    let (status, body) = sandbox.send("vault", "POST", path, &headers, body).await;
    assert_eq!((status, &body["data"], &body["auth"]), (200, &Value::Null, &Value::Null), "{body}");
    body["wrap_info"].clone()
}

#[tokio::test]
async fn anything_is_wrapped_looked_at_and_unwrapped_once() {
    let sandbox = Sandbox::new();
    let info = wrapped(&sandbox, "sys/wrapping/wrap", json!({ "a": 1 })).await;
    let token = json!({ "token": info["token"] });
    let (_, seen) = sandbox.send("vault", "POST", "sys/wrapping/lookup", &[], token.clone()).await;
    assert_eq!(
        (&seen["data"]["creation_path"], &seen["data"]["creation_ttl"]),
        (&json!("sys/wrapping/wrap"), &json!(60)),
        "{seen}"
    );
    let (status, body) = sandbox.root("POST", "sys/wrapping/unwrap", token.clone()).await;
    assert_eq!((status, &body["data"]), (200, &json!({ "a": 1 })), "{body}");
    for path in ["unwrap", "lookup", "rewrap"] {
        let answer = sandbox.root("POST", &format!("sys/wrapping/{path}"), token.clone()).await;
        said(answer, 400, "wrapping token is not valid or does not exist");
    }
}

#[tokio::test]
async fn what_is_wrapped_anew_is_in_the_new_wrapper_only() {
    let sandbox = Sandbox::new();
    let info = wrapped(&sandbox, "auth/token/create", json!({ "policies": "app" })).await;
    assert!(info["wrapped_accessor"].is_string(), "{info}");
    sandbox.clock.advance(SignedDuration::from_secs(50));
    let (status, body) = sandbox.root("POST", "sys/wrapping/rewrap", json!({ "token": info["token"] })).await;
    let new = &body["wrap_info"];
    assert_eq!((status, &new["ttl"], &new["creation_path"]), (200, &json!(60), &info["creation_path"]), "{body}");
    said(
        sandbox.root("POST", "sys/wrapping/unwrap", json!({ "token": info["token"] })).await,
        400,
        "wrapping token is not valid or does not exist",
    );
    sandbox.clock.advance(SignedDuration::from_secs(50));
    let (status, body) = sandbox.root("POST", "sys/wrapping/unwrap", json!({ "token": new["token"] })).await;
    assert_eq!((status, &body["auth"]["token_policies"]), (200, &json!(["app", "default"])), "{body}");
}

#[tokio::test]
async fn a_wrapper_in_the_body_is_opened_by_who_may() {
    let sandbox = Sandbox::new();
    let info = wrapped(&sandbox, "sys/wrapping/wrap", json!({ "a": 1 })).await;
    let body = json!({ "token": info["token"] });
    may(&sandbox, "sys/wrapping/*", r#""deny""#).await;
    // The policy `default` names the path itself, which would win.
    let fields = json!({ "policies": "may", "no_default_policy": true });
    let (_, made) = sandbox.root("POST", "auth/token/create", fields).await;
    let denied = made["auth"]["client_token"].as_str().unwrap();
    for path in ["sys/wrapping/unwrap", "sys/wrapping/rewrap"] {
        said(sandbox.send("vault", "POST", path, &[], body.clone()).await, 403, "permission denied");
        for token in ["hvs.none", denied] {
            said(sandbox.with(token, "POST", path, body.clone()).await, 403, "permission denied");
        }
    }
    let job = sandbox.token().await;
    let (status, body) = sandbox.with(&job, "POST", "sys/wrapping/unwrap", body).await;
    assert_eq!((status, &body["data"]), (200, &json!({ "a": 1 })), "the policy `default` lets it: {body}");
}

#[tokio::test]
async fn rejects_wrapper_that_is_over() {
    let sandbox = Sandbox::new();
    let info = wrapped(&sandbox, "sys/wrapping/wrap", json!({ "a": 1 })).await;
    sandbox.clock.advance(SignedDuration::from_secs(60));
    let answer = sandbox.root("POST", "sys/wrapping/unwrap", json!({ "token": info["token"] })).await;
    said(answer, 400, "wrapping token is not valid or does not exist");
}

#[tokio::test]
async fn sealing_takes_sudo_and_ends_every_answer_but_that() {
    let sandbox = Sandbox::new();
    let token = may(&sandbox, "sys/seal", r#""update""#).await;
    said(sandbox.with(&token, "PUT", "sys/seal", Value::Null).await, 403, "permission denied");
    let token = may(&sandbox, "sys/seal", r#""update", "sudo""#).await;
    assert_eq!(sandbox.with(&token, "PUT", "sys/seal", Value::Null).await.0, 204);
    let (status, body) = sandbox.root("GET", "sys/seal-status", Value::Null).await;
    assert_eq!((status, &body["sealed"]), (200, &json!(true)));
    assert_eq!(sandbox.root("GET", "sys/health", Value::Null).await.0, 503);
    said(sandbox.root("GET", "auth/token/lookup-self", Value::Null).await, 503, "Vault is sealed");
}

#[tokio::test]
async fn a_secret_of_its_own_may_want_check_and_set() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.root("POST", "secret/metadata/x", json!({ "cas_required": true })).await.0, 204);
    let without = json!({ "data": { "a": 1 } });
    said(
        sandbox.root("POST", "secret/data/x", without.clone()).await,
        400,
        "check-and-set parameter required for this call",
    );
    let with = json!({ "data": { "a": 1 }, "options": { "cas": 0 } });
    assert_eq!(sandbox.root("POST", "secret/data/x", with).await.0, 200);
    assert_eq!(sandbox.root("POST", "secret/data/y", without).await.0, 200, "another does not");
}
