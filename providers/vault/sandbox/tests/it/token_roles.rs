//! `auth/token/roles`: tokens that are made by a rule and not by what their maker has.

use carnet_vault_sandbox::seed;
use serde_json::{Value, json};

use crate::support::Sandbox;

/// A role `job` of these fields, and a token that may only make tokens by it.
async fn with_role(sandbox: &Sandbox, fields: Value) -> String {
    assert_eq!(sandbox.root("POST", "auth/token/roles/job", fields).await.0, 204);
    let policy = json!({ "policy": "path \"auth/token/create/job\" { capabilities = [\"update\"] }" });
    assert_eq!(sandbox.root("PUT", "sys/policies/acl/maker", policy).await.0, 204);
    let (_, body) = sandbox.root("POST", "auth/token/create", json!({ "policies": "maker" })).await;
    body["auth"]["client_token"].as_str().unwrap().to_owned()
}

async fn made(sandbox: &Sandbox, token: &str, fields: Value) -> (u16, Value) {
    sandbox.with(token, "POST", "auth/token/create/job", fields).await
}

#[tokio::test]
async fn a_role_gives_its_policies_in_place_of_its_callers() {
    let sandbox = Sandbox::new();
    let fields = json!({ "allowed_policies": "app,other", "orphan": true, "renewable": false, "token_period": "1h",
        "token_num_uses": 3, "path_suffix": "ci", "token_bound_cidrs": "127.0.0.1" });
    let token = with_role(&sandbox, fields).await;
    let (status, body) = made(&sandbox, &token, json!({ "policies": ["app"], "num_uses": 9 })).await;
    assert_eq!((status, &body["auth"]["token_policies"]), (200, &json!(["app", "default"])), "{body}");
    let auth = &body["auth"];
    assert_eq!((&auth["orphan"], &auth["renewable"]), (&json!(true), &json!(false)));
    assert_eq!((&auth["lease_duration"], &auth["num_uses"]), (&json!(3600), &json!(3)));
    let child = auth["client_token"].as_str().unwrap();
    let (_, seen) = sandbox.with(child, "GET", "auth/token/lookup-self", Value::Null).await;
    assert_eq!((&seen["data"]["path"], &seen["data"]["num_uses"]), (&json!("auth/token/create/job/ci"), &json!(2)));
    assert_eq!(seen["data"]["bound_cidrs"], json!(["127.0.0.1/32"]));
    let (_, all) = made(&sandbox, &token, json!({})).await;
    assert_eq!(all["auth"]["token_policies"], json!(["app", "default", "other"]), "{all}");
}

#[tokio::test]
async fn rejects_policies_that_a_role_does_not_give() {
    for (fields, asked, text) in [
        (json!({ "allowed_policies": "app" }), json!("other"), "must be subset of the role's allowed policies"),
        (json!({ "allowed_policies_glob": "app-*" }), json!("app"), "must be subset of the role's allowed policies"),
        (json!({ "disallowed_policies": "other" }), json!("other"), "is disallowed by this role"),
        (json!({ "disallowed_policies_glob": "o*" }), json!(["app", "other"]), "is disallowed by this role"),
        (json!({ "allowed_policies": "root" }), json!("root"), "root tokens may not be created"),
        (json!({}), json!("app"), "child policies must be subset of parent"),
    ] {
        let sandbox = Sandbox::new();
        let token = with_role(&sandbox, fields.clone()).await;
        let (status, body) = made(&sandbox, &token, json!({ "policies": asked })).await;
        let said = body["errors"][0].as_str().unwrap_or_default();
        assert!(status == 400 && said.contains(text), "{fields} {asked}: {body}");
    }
}

#[tokio::test]
async fn patterns_of_a_role_are_taken() {
    let sandbox = Sandbox::new();
    let token = with_role(&sandbox, json!({ "allowed_policies_glob": "app-*" })).await;
    let (status, body) = made(&sandbox, &token, json!({ "policies": "app-1", "no_default_policy": true })).await;
    assert_eq!((status, &body["auth"]["token_policies"]), (200, &json!(["app-1"])), "{body}");
}

#[tokio::test]
async fn roles_are_written_merged_listed_and_taken_away() {
    let sandbox = Sandbox::new();
    let path = "auth/token/roles/job";
    assert_eq!(sandbox.root("POST", path, json!({ "allowed_policies": ["a"], "period": 60 })).await.0, 204);
    assert_eq!(sandbox.root("POST", path, json!({ "orphan": "true" })).await.0, 204);
    let (_, body) = sandbox.root("GET", path, Value::Null).await;
    let data = &body["data"];
    assert_eq!((&data["allowed_policies"], &data["token_period"]), (&json!(["a"]), &json!(60)), "{body}");
    assert_eq!((&data["orphan"], &data["renewable"]), (&json!(true), &json!(true)));
    let (_, listed) = sandbox.root("LIST", "auth/token/roles", Value::Null).await;
    assert_eq!(listed["data"]["keys"], json!(["job"]));
    assert_eq!(sandbox.root("DELETE", path, Value::Null).await.0, 204);
    assert_eq!(sandbox.root("GET", path, Value::Null).await.0, 404);
    let (status, body) = sandbox.root("POST", "auth/token/create/job", json!({})).await;
    assert_eq!((status, &body["errors"][0]), (400, &json!("unknown role job")));
}

#[tokio::test]
async fn a_field_that_means_nothing_to_a_role_is_warned_of() {
    let sandbox = Sandbox::new();
    let path = "auth/token/roles/job";
    for field in ["allowed_entity_aliases", "alowed_policies"] {
        let (status, body) = sandbox.root("POST", path, json!({ "orphan": true, field: ["x"] })).await;
        let ignored = json!([format!("Endpoint ignored these unrecognized parameters: [{field}]")]);
        assert_eq!((status, &body["warnings"]), (200, &ignored), "{body}");
    }
    let (_, body) = sandbox.root("GET", path, Value::Null).await;
    assert_eq!(body["data"]["orphan"], true, "{body}");
    // Every field that a role tells can be written as it is told.
    assert_eq!(sandbox.root("POST", path, body["data"].clone()).await.0, 204, "{body}");
}

#[tokio::test]
async fn rejects_roles_that_cannot_be() {
    let sandbox = Sandbox::new();
    for fields in [
        json!({ "allowed_policies": 1 }),
        json!({ "token_type": "odd" }),
        json!({ "token_type": "batch", "token_period": "1h" }),
        json!({ "token_num_uses": -1 }),
        json!({ "path_suffix": "a/b" }),
        json!({ "token_bound_cidrs": "here" }),
    ] {
        let (status, body) = sandbox.root("POST", "auth/token/roles/job", fields.clone()).await;
        assert_eq!(status, 400, "{fields}: {body}");
        assert_eq!(sandbox.root("GET", "auth/token/roles/job", Value::Null).await.0, 404, "{fields}");
    }
    let headers = [("x-vault-token", seed::ROOT_TOKEN), ("x-vault-namespace", "team")];
    assert_eq!(sandbox.root("POST", "sys/namespaces/team", Value::Null).await.0, 200);
    let body = json!({ "allowed_policies": "root" });
    assert_eq!(sandbox.send("vault", "POST", "auth/token/roles/job", &headers, body).await.0, 204);
    let (status, body) = sandbox.send("vault", "POST", "auth/token/create/job", &headers, json!({})).await;
    assert_eq!((status, &body["errors"][0]), (400, &json!("root tokens may not be created from a parent namespace")));
}
