//! Groups, entities, networks and cubbyholes.

use carnet_vault_sandbox::seed;
use serde_json::{Value, json};

use crate::support::Sandbox;

/// A role whose tokens have no policy of their own and say in which groups they are.
async fn by_groups(sandbox: &Sandbox) -> String {
    let role =
        json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": seed::AUDIENCE, "groups_claim": "groups" });
    assert_eq!(sandbox.root("POST", "auth/jwt/role/grouped", role).await.0, 204);
    let (_, mounts) = sandbox.root("GET", "sys/auth", Value::Null).await;
    mounts["jwt/"]["accessor"].as_str().unwrap().to_owned()
}

async fn login(sandbox: &Sandbox, role: &str, groups: Value) -> (u16, Value) {
    let jwt = sandbox.job(json!({ "groups": groups }));
    sandbox.send("vault", "POST", "auth/jwt/login", &[], json!({ "role": role, "jwt": jwt })).await
}

async fn reads(sandbox: &Sandbox, body: &Value) -> u16 {
    let token = body["auth"]["client_token"].as_str().unwrap();
    sandbox.with(token, "GET", "secret/data/app/db", Value::Null).await.0
}

#[tokio::test]
async fn a_group_of_the_token_gives_its_policies_until_a_login_without_it() {
    let sandbox = Sandbox::new();
    let accessor = by_groups(&sandbox).await;
    let group = json!({ "name": "ops", "type": "external", "policies": ["app"] });
    let (status, group) = sandbox.root("POST", "identity/group", group).await;
    assert_eq!(status, 200, "{group}");
    let alias = json!({ "name": "ops", "mount_accessor": accessor, "canonical_id": group["data"]["id"] });
    assert_eq!(sandbox.root("POST", "identity/group-alias", alias).await.0, 200);
    let (status, member) = login(&sandbox, "grouped", json!(["ops", "dev"])).await;
    assert_eq!((status, &member["auth"]["identity_policies"]), (200, &json!(["app"])), "{member}");
    assert_eq!(
        (&member["auth"]["token_policies"], &member["auth"]["policies"]),
        (&json!(["default"]), &json!(["app", "default"]))
    );
    assert_eq!(reads(&sandbox, &member).await, 200);
    let (_, stranger) = login(&sandbox, "grouped", json!(["dev"])).await;
    assert_eq!(stranger["auth"]["identity_policies"], Value::Null);
    assert_eq!((reads(&sandbox, &stranger).await, reads(&sandbox, &member).await), (403, 403));
}

#[tokio::test]
async fn rejects_groups_and_aliases_that_cannot_be() {
    let sandbox = Sandbox::new();
    let accessor = by_groups(&sandbox).await;
    let (_, inside) = sandbox.root("POST", "identity/group", json!({ "name": "inside" })).await;
    for (path, body, text) in [
        ("group", json!({ "name": "x", "type": "odd" }), "invalid group type"),
        ("group", json!({ "name": "x", "policies": "root" }), "policies cannot contain root"),
        ("group", json!({ "name": "x", "type": "external", "member_entity_ids": ["a"] }), "can't be set manually"),
        ("group-alias", json!({ "name": "x", "mount_accessor": "none" }), "invalid mount accessor"),
        ("group-alias", json!({ "name": "", "mount_accessor": accessor }), "missing alias name"),
        ("group-alias", json!({ "name": "x", "mount_accessor": accessor, "canonical_id": "none" }), "invalid group ID"),
        (
            "group-alias",
            json!({ "name": "x", "mount_accessor": accessor, "canonical_id": inside["data"]["id"] }),
            "internal group",
        ),
    ] {
        let (status, answer) = sandbox.root("POST", &format!("identity/{path}"), body).await;
        assert!(status == 400 && answer["errors"][0].as_str().unwrap().contains(text), "{text}: {answer}");
    }
}

#[tokio::test]
async fn a_disabled_entity_neither_logs_in_nor_uses_its_token() {
    let sandbox = Sandbox::new();
    let (_, body) = sandbox.login(&sandbox.job(json!({}))).await;
    assert_eq!(reads(&sandbox, &body).await, 200);
    let path = format!("identity/entity/id/{}", body["auth"]["entity_id"].as_str().unwrap());
    assert_eq!(sandbox.root("POST", &path, json!({ "disabled": true })).await.0, 204);
    assert_eq!((reads(&sandbox, &body).await, sandbox.login(&sandbox.job(json!({}))).await.0), (403, 403));
    let (_, entity) = sandbox.root("GET", &path, Value::Null).await;
    assert_eq!((&entity["data"]["disabled"], entity["data"]["aliases"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(sandbox.root("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(sandbox.login(&sandbox.job(json!({}))).await.0, 200, "it is another entity now");
}

#[tokio::test]
async fn a_token_works_from_its_networks_only() {
    let sandbox = Sandbox::new();
    let role = json!({ "token_strictly_bind_ip": true });
    assert_eq!(sandbox.root("POST", &format!("auth/jwt/role/{}", seed::ROLE), role).await.0, 204);
    let token = sandbox.token().await;
    let (status, body) = sandbox.with(&token, "GET", "auth/token/lookup-self", Value::Null).await;
    assert_eq!((status, &body["data"]["bound_cidrs"]), (200, &json!(["127.0.0.1/32"])));
    let program = json!({ "cel_program": { "expression": "pb.Auth{policies: ['app'], bound_cidrs: ['10.0.0.0/8']}" } });
    assert_eq!(sandbox.root("POST", "auth/jwt/cel/role/far", program).await.0, 200);
    let body = json!({ "role": "far", "jwt": sandbox.job(json!({})) });
    let (status, body) = sandbox.send("vault", "POST", "auth/jwt/cel/login", &[], body).await;
    assert_eq!((status, reads(&sandbox, &body).await), (200, 403), "the caller is on this machine");
}

#[tokio::test]
async fn programs_are_written_shown_changed_and_taken_away() {
    let sandbox = Sandbox::new();
    let path = "auth/jwt/cel/role/app";
    let program = json!({ "cel_program": { "expression": "false" }, "bound_audiences": "a,b" });
    let (status, body) = sandbox.root("POST", path, program).await;
    assert_eq!((status, &body["data"]["expiration_leeway"], &body["data"]["name"]), (200, &json!(150), &json!("app")));
    let headers = [("x-vault-token", seed::ROOT_TOKEN), ("content-type", "application/merge-patch+json")];
    let (status, body) = sandbox.send("vault", "PATCH", path, &headers, json!({ "message": "no" })).await;
    assert_eq!(
        (status, &body["data"]["message"], &body["data"]["bound_audiences"]),
        (200, &json!("no"), &json!(["a", "b"]))
    );
    assert_eq!(sandbox.root("LIST", "auth/jwt/cel/role", Value::Null).await.1["data"]["keys"], json!(["app"]));
    let (status, body) = sandbox.root("POST", path, json!({ "cel_program": { "expression": "now" } })).await;
    assert_eq!(status, 400);
    assert!(body["errors"][0].as_str().unwrap().starts_with("failed to validate CEL program: `now`"), "{body}");
    assert_eq!(sandbox.root("DELETE", path, Value::Null).await.0, 204);
    assert_eq!(sandbox.root("GET", path, Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_cubbyhole_is_its_tokens_alone() {
    let sandbox = Sandbox::new();
    let token = sandbox.token().await;
    assert_eq!(sandbox.with(&token, "PUT", "cubbyhole/a", json!({ "k": "v" })).await.0, 204);
    assert_eq!(sandbox.with(&token, "GET", "cubbyhole/a", Value::Null).await.1["data"]["k"], "v");
    assert_eq!(sandbox.root("GET", "cubbyhole/a", Value::Null).await.0, 404);
}
