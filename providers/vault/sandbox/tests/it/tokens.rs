//! What a token may make of itself, and of whom it may know.

use carnet_vault_sandbox::seed;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::Sandbox;

#[tokio::test]
async fn policies_of_a_child_may_be_one_text_as_forms_send_them() {
    let sandbox = Sandbox::new();
    for policies in [json!("app"), json!(["app"]), json!(" app,default")] {
        let body = json!({ "policies": policies });
        let (status, body) = sandbox.root("POST", "auth/token/create", body).await;
        assert_eq!((status, &body["auth"]["token_policies"]), (200, &json!(["app", "default"])), "{body}");
    }
    let headers =
        [("x-vault-token", seed::ROOT_TOKEN), ("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let form = "policies=app&num_uses=2&renewable=false";
    let (status, body) = sandbox.send_text("vault", "POST", "auth/token/create", &headers, form).await;
    assert_eq!((status, &body["auth"]["token_policies"]), (200, &json!(["app", "default"])), "{body}");
    assert_eq!((&body["auth"]["num_uses"], &body["auth"]["renewable"]), (&json!(2), &json!(false)));
}

#[tokio::test]
async fn rejects_fields_of_a_child_that_have_another_type() {
    let sandbox = Sandbox::new();
    for (field, value) in [
        ("policies", json!({ "app": true })),
        ("policies", json!(1)),
        ("policies", json!(["app", 1])),
        ("policies", json!(",")),
        ("num_uses", json!("two")),
        ("no_parent", json!("maybe")),
        ("renewable", json!(1)),
        ("no_default_policy", json!([])),
        ("meta", json!("a=b")),
        ("ttl", json!(-1)),
    ] {
        let body = json!({ "policies": "app", field: value });
        let (status, body) = sandbox.root("POST", "auth/token/create", body).await;
        let said = body["errors"][0].as_str().unwrap_or_default();
        assert!(status == 400 && said.contains(field), "{field} {value}: {body}");
    }
    let (status, body) = sandbox.root("POST", "auth/token/create", json!({ "num_uses": -1 })).await;
    assert_eq!((status, &body["errors"][0]), (400, &json!("number of uses cannot be negative")));
}

#[tokio::test]
async fn a_child_ends_with_its_parent_and_an_orphan_does_not() {
    let sandbox = Sandbox::new();
    let parent = made(&sandbox, seed::ROOT_TOKEN, json!({ "ttl": "60s" })).await;
    let may_make = json!({ "policy": "path \"auth/token/create\" { capabilities = [\"update\"] }" });
    assert_eq!(sandbox.root("PUT", "sys/policies/acl/maker", may_make).await.0, 204);
    let child = made(&sandbox, &parent, json!({ "policies": "maker", "ttl": "700h" })).await;
    let grandchild = made(&sandbox, &child, json!({ "ttl": "700h" })).await;
    let orphan = made(&sandbox, &parent, json!({ "policies": "app", "ttl": "700h", "no_parent": true })).await;
    let lives = async |token: &str| sandbox.with(token, "GET", "auth/token/lookup-self", Value::Null).await.0;
    for token in [&parent, &child, &grandchild, &orphan] {
        assert_eq!(lives(token).await, 200);
    }
    sandbox.clock.advance(SignedDuration::from_mins(2));
    for token in [&parent, &child, &grandchild] {
        assert_eq!(lives(token).await, 403);
    }
    assert_eq!(lives(&orphan).await, 200);
}

/// A role `app` whose policy lets it make tokens, with these capabilities on that path.
async fn maker(sandbox: &Sandbox, capabilities: &str) -> String {
    let policy = format!("path \"auth/token/create\" {{ capabilities = [{capabilities}] }}");
    assert_eq!(sandbox.root("PUT", "sys/policies/acl/app", json!({ "policy": policy })).await.0, 204);
    sandbox.token().await
}

#[track_caller]
fn refused((status, body): (u16, Value), text: &str) {
    assert_eq!((status, &body["errors"][0]), (400, &json!(text)), "{body}");
}

#[tokio::test]
async fn rejects_children_of_a_token_whose_uses_are_counted() {
    let sandbox = Sandbox::new();
    for uses in [1, 5] {
        let counted = made(&sandbox, seed::ROOT_TOKEN, json!({ "num_uses": uses })).await;
        let answer = sandbox.with(&counted, "POST", "auth/token/create", json!({})).await;
        refused(answer, "restricted use token cannot generate child tokens");
    }
}

#[tokio::test]
async fn a_periodic_token_takes_sudo() {
    let sandbox = Sandbox::new();
    let fields = json!({ "period": "1h" });
    let token = maker(&sandbox, r#""update""#).await;
    let answer = sandbox.with(&token, "POST", "auth/token/create", fields.clone()).await;
    refused(answer, "root or sudo privileges required to create periodic token");
    let token = maker(&sandbox, r#""update", "sudo""#).await;
    made(&sandbox, &token, fields).await;
}

#[tokio::test]
async fn sudo_gives_every_policy_but_root() {
    let sandbox = Sandbox::new();
    let token = maker(&sandbox, r#""update", "sudo""#).await;
    made(&sandbox, &token, json!({ "policies": "other" })).await;
    let answer = sandbox.with(&token, "POST", "auth/token/create", json!({ "policies": "root" })).await;
    refused(answer, "root tokens may not be created without parent token being root");
    let ends = made(&sandbox, seed::ROOT_TOKEN, json!({ "policies": "root", "ttl": "1h" })).await;
    let answer = sandbox.with(&ends, "POST", "auth/token/create", json!({})).await;
    refused(answer, "expiring root tokens cannot create non-expiring root tokens");
}

#[tokio::test]
async fn a_child_inherits_exactly_what_its_parent_has() {
    let sandbox = Sandbox::new();
    let fields = json!({ "policies": "app", "no_default_policy": true });
    let parent = made(&sandbox, seed::ROOT_TOKEN, fields).await;
    let policy = json!({ "policy": "path \"auth/token/create\" { capabilities = [\"update\"] }" });
    assert_eq!(sandbox.root("PUT", "sys/policies/acl/app", policy).await.0, 204);
    for fields in [json!({}), json!({ "policies": ["app"] })] {
        let (_, body) = sandbox.with(&parent, "POST", "auth/token/create", fields).await;
        assert_eq!(body["auth"]["token_policies"], json!(["app"]), "{body}");
    }
}

#[tokio::test]
async fn a_token_is_chosen_with_sudo() {
    let sandbox = Sandbox::new();
    let fields = json!({ "id": "my-token", "policies": "app" });
    let token = maker(&sandbox, r#""update""#).await;
    let answer = sandbox.with(&token, "POST", "auth/token/create", fields.clone()).await;
    refused(answer, "root or sudo privileges required to specify token id");
    let token = maker(&sandbox, r#""update", "sudo""#).await;
    assert_eq!(made(&sandbox, &token, fields.clone()).await, "my-token");
    let (status, body) = sandbox.with("my-token", "GET", "auth/token/lookup-self", Value::Null).await;
    assert_eq!((status, &body["data"]["id"]), (200, &json!("my-token")), "{body}");
    for (fields, text) in [
        (fields, "cannot create a token with a duplicate ID"),
        (json!({ "id": "hvs.mine" }), "custom token ID cannot have the 'hvs.' prefix"),
        (json!({ "id": "s.mine" }), "custom token ID cannot have the 's.' prefix"),
        (json!({ "id": "a.b" }), "custom token ID cannot contain the '.' character"),
        (json!({ "id": "a", "type": "batch" }), "batch tokens cannot have a chosen ID"),
    ] {
        refused(sandbox.root("POST", "auth/token/create", fields).await, text);
    }
    assert_eq!(sandbox.root("POST", "sys/namespaces/team", Value::Null).await.0, 200);
    let answer = sandbox.root("POST", "team/auth/token/create", json!({ "id": "a", "policies": "app" })).await;
    refused(answer, "token IDs can only be manually specified in the root namespace");
}

#[tokio::test]
async fn rejects_entity_aliases_and_unknown_types_of_tokens() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.root("POST", "auth/token/roles/r", json!({ "allowed_policies": "app" })).await.0, 204);
    for (path, fields, text) in [
        ("create", json!({ "type": "nonsense" }), "invalid 'token_type' value"),
        ("create", json!({ "type": 1 }), "error converting input for field \"type\""),
        ("create", json!({ "entity_alias": "x" }), "'entity_alias' is only allowed in combination with token role"),
        ("create/r", json!({ "entity_alias": "x" }), "invalid 'entity_alias' value"),
    ] {
        refused(sandbox.root("POST", &format!("auth/token/{path}"), fields).await, text);
    }
}

#[tokio::test]
async fn rejects_batch_tokens_of_root() {
    let sandbox = Sandbox::new();
    let role = json!({ "token_type": "default-batch" });
    assert_eq!(sandbox.root("POST", "auth/token/roles/r", role).await.0, 204);
    for (path, fields) in [
        ("create", json!({ "type": "batch" })),
        ("create", json!({ "type": "batch", "ttl": "1h" })),
        ("create-orphan", json!({ "type": "batch", "policies": ["app", "root"] })),
        ("create/r", json!({})),
    ] {
        let answer = sandbox.root("POST", &format!("auth/token/{path}"), fields).await;
        refused(answer, "batch tokens cannot be root tokens");
    }
    for (path, fields) in
        [("create", json!({ "type": "batch", "policies": "app" })), ("create/r", json!({ "policies": "app" }))]
    {
        let (status, body) = sandbox.root("POST", &format!("auth/token/{path}"), fields).await;
        assert_eq!((status, &body["auth"]["token_type"]), (200, &json!("batch")), "{body}");
        assert_eq!(body["auth"]["lease_duration"], 2_764_800, "{body}");
    }
}

/// A token that a token has made.
async fn made(sandbox: &Sandbox, with: &str, fields: Value) -> String {
    let (status, body) = sandbox.with(with, "POST", "auth/token/create", fields).await;
    assert_eq!(status, 200, "{body}");
    body["auth"]["client_token"].as_str().unwrap().to_owned()
}
