//! What the sheet of the protocol lists as refused, apart from logins: status and text.

use carnet_vault_sandbox::seed;
use serde_json::{Value, json};

use crate::support::Sandbox;

#[track_caller]
fn told((status, body): (u16, Value), wanted: u16, text: &str) {
    assert_eq!(status, wanted, "{body}");
    let said = body["errors"][0].as_str().unwrap_or_default();
    assert!(said.contains(text) && (!text.is_empty() || said.is_empty()), "{text}: {body}");
}

/// As root, in order.
async fn each(cases: &[(&str, &str, Value, u16, &str)]) {
    let sandbox = Sandbox::new();
    for (method, path, body, status, text) in cases {
        told(sandbox.root(method, path, body.clone()).await, *status, text);
    }
}

#[tokio::test]
async fn rejects_tokens_that_are_none() {
    let sandbox = Sandbox::new();
    for headers in [&[][..], &[("x-vault-token", "hvs.none")], &[("authorization", "bearer hvs.x")]] {
        told(sandbox.send("vault", "GET", "secret/data/app/db", headers, Value::Null).await, 403, "permission denied");
    }
    each(&[
        ("POST", "auth/token/lookup", json!({ "token": "hvs.none" }), 403, "bad token"),
        ("POST", "auth/token/renew", json!({ "token": "hvs.none" }), 400, "token not found"),
        ("POST", "auth/token/lookup-accessor", json!({ "accessor": "x" }), 403, "invalid accessor"),
    ])
    .await;
}

#[tokio::test]
async fn rejects_requests_that_are_not_formed() {
    let sandbox = Sandbox::new();
    let patch = [("x-vault-token", seed::ROOT_TOKEN), ("content-type", "application/json")];
    told(sandbox.send("vault", "PATCH", "secret/data/x", &patch, json!({})).await, 415, "merge-patch");
    let wrap = [("x-vault-token", seed::ROOT_TOKEN), ("x-vault-wrap-ttl", "soon")];
    told(sandbox.send("vault", "GET", "secret/data/app/db", &wrap, Value::Null).await, 400, "wrap TTL");
    each(&[
        ("POST", "secret/data/x", json!("text"), 400, "failed to parse JSON input"),
        ("POST", "secret/data/x/", json!({}), 400, "cannot write to a path ending in '/'"),
        ("GET", "secret/data/../x", Value::Null, 400, "relative paths not supported"),
        ("GET", "secret/data/a%07b", Value::Null, 400, "path cannot contain non-printable characters"),
        ("GET", "nowhere/x", Value::Null, 404, "no handler for route"),
        ("GET", "secret/data/none", Value::Null, 404, ""),
        ("POST", "auth/token/accessors", json!({}), 405, "unsupported operation"),
    ])
    .await;
}

#[tokio::test]
async fn rejects_configurations_and_roles_of_a_mount() {
    let keys = json!({ "jwt_validation_pubkeys": ["x"] });
    let both = json!({ "jwks_url": "https://a", "oidc_discovery_url": "https://a" });
    let nobody = json!({ "oidc_discovery_url": "https://nobody.example" });
    each(&[
        ("POST", "auth/jwt/config", both, 400, "exactly one of"),
        ("POST", "auth/jwt/config", keys, 400, "error parsing public key"),
        ("POST", "auth/jwt/config", nobody, 400, "error checking oidc discovery URL"),
        ("POST", "auth/jwt/config", json!({ "jwks_url": "https://nobody.example" }), 400, "error checking jwks URL"),
        ("POST", "auth/jwt/role/x", json!({ "user_claim": "sub" }), 400, "'allowed_redirect_uris' must be set"),
        (
            "POST",
            "auth/jwt/role/x",
            json!({ "user_claim": "sub", "role_type": "jwt" }),
            400,
            "at least one bound constraint",
        ),
        ("POST", "auth/jwt/role/x", json!({ "user_claim": {} }), 400, "Field validation failed"),
        ("GET", "auth/jwt/role/none", Value::Null, 404, ""),
        ("POST", "auth/jwt/cel/role/x", json!({}), 400, "missing required field 'cel_program'"),
        ("POST", "sys/auth/jwt", json!({ "type": "jwt" }), 400, "path is already in use at jwt/"),
        ("POST", "sys/auth/x", json!({ "type": "ldap" }), 400, "plugin not found in the catalog: ldap"),
    ])
    .await;
}

#[tokio::test]
async fn a_role_says_which_fields_it_passed_over() {
    let sandbox = Sandbox::new();
    let (status, body) = sandbox.root("POST", "auth/jwt/role/app", json!({ "token_tttl": "1h", "ttl": 60 })).await;
    let ignored = json!(["Endpoint ignored these unrecognized parameters: [token_tttl]"]);
    assert_eq!((status, &body["warnings"]), (200, &ignored), "{body}");
    let (_, role) = sandbox.root("GET", "auth/jwt/role/app", Value::Null).await;
    assert_eq!(role["data"]["token_ttl"], 60, "the rest is written: {role}");
}

#[tokio::test]
async fn the_mounts_that_are_always_there_stay() {
    let sandbox = Sandbox::new();
    let (_, listed) = sandbox.root("GET", "sys/mounts", Value::Null).await;
    for (path, kind) in [("sys/", "system"), ("identity/", "identity"), ("cubbyhole/", "cubbyhole"), ("secret/", "kv")]
    {
        assert_eq!(listed["data"][path]["type"], kind, "{listed}");
    }
    for path in ["sys", "identity", "cubbyhole"] {
        let path = format!("sys/mounts/{path}");
        let text = format!("cannot unmount \"{}/\"", path.trim_start_matches("sys/mounts/"));
        assert_eq!(sandbox.root("GET", &path, Value::Null).await.0, 200, "{path}");
        told(sandbox.root("DELETE", &path, Value::Null).await, 400, &text);
        told(sandbox.root("POST", &path, json!({ "type": "kv" })).await, 400, "path is already in use");
    }
    told(
        sandbox.root("DELETE", "sys/auth/token", Value::Null).await,
        400,
        "token credential backend cannot be disabled",
    );
    assert_eq!(sandbox.root("DELETE", "sys/mounts/secret", Value::Null).await.0, 204, "another goes");
}

#[tokio::test]
async fn rejects_what_batch_tokens_cannot_do() {
    let sandbox = Sandbox::new();
    let (_, body) =
        sandbox.root("POST", "auth/token/create", json!({ "type": "batch", "policies": ["default"] })).await;
    let token = body["auth"]["client_token"].as_str().unwrap();
    told(sandbox.with(token, "POST", "auth/token/renew-self", json!({})).await, 400, "batch tokens cannot be renewed");
    told(sandbox.with(token, "POST", "auth/token/revoke-self", json!({})).await, 400, "batch tokens cannot be revoked");
    told(sandbox.with(token, "PUT", "cubbyhole/x", json!({ "a": 1 })).await, 400, "service");
    let periodic = json!({ "type": "batch", "period": "1h" });
    told(sandbox.root("POST", "auth/token/create", periodic).await, 400, "batch tokens cannot be periodic");
}

#[tokio::test]
async fn rejects_children_that_have_more_than_their_parent_and_renewals_without_a_role() {
    let sandbox = Sandbox::new();
    let policy = json!({ "policy": "path \"auth/token/*\" { capabilities = [\"create\", \"update\"] }" });
    assert_eq!(sandbox.root("PUT", "sys/policies/acl/app", policy).await.0, 204);
    let token = sandbox.token().await;
    told(
        sandbox.with(&token, "POST", "auth/token/create", json!({ "policies": ["other"] })).await,
        400,
        "subset of parent",
    );
    told(
        sandbox.with(&token, "POST", "auth/token/create", json!({ "no_parent": true })).await,
        400,
        "root or sudo privileges",
    );
    let (_, fixed) = sandbox.with(&token, "POST", "auth/token/create", json!({ "renewable": false })).await;
    let fixed = fixed["auth"]["client_token"].as_str().unwrap();
    told(sandbox.with(fixed, "POST", "auth/token/renew-self", json!({})).await, 400, "lease is not renewable");
    assert_eq!(sandbox.root("DELETE", "auth/jwt/role/app", Value::Null).await.0, 204);
    told(sandbox.with(&token, "POST", "auth/token/renew-self", json!({})).await, 400, "role does not exist");
}

#[tokio::test]
async fn rejects_secrets_that_cannot_be() {
    each(&[
        ("POST", "sys/mounts/secret", json!({ "type": "kv" }), 400, "path is already in use at secret/"),
        ("POST", "sys/mounts/x", json!({ "type": "pki" }), 400, "plugin not found in the catalog: pki"),
        ("POST", "sys/mounts/one", json!({ "type": "kv" }), 204, ""),
        ("POST", "one/a", json!({}), 400, "missing data fields"),
        ("POST", "secret/config", json!({ "cas_required": true }), 204, ""),
        ("POST", "secret/data/x", json!({ "data": {} }), 400, "check-and-set parameter required for this call"),
        (
            "POST",
            "sys/wrapping/unwrap",
            json!({ "token": "hvs.none" }),
            400,
            "wrapping token is not valid or does not exist",
        ),
        ("POST", "sys/wrapping/wrap", json!({ "a": 1 }), 400, "requires response wrapping"),
    ])
    .await;
}

#[tokio::test]
async fn a_deleted_version_is_said_to_be_deleted() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.root("DELETE", "secret/data/app/db", Value::Null).await.0, 204);
    let (status, body) = sandbox.root("GET", "secret/data/app/db", Value::Null).await;
    assert_eq!((status, &body["data"]["data"]), (404, &Value::Null));
    assert_ne!(body["data"]["metadata"]["deletion_time"], "");
}

#[tokio::test]
async fn rejects_keys_that_do_not_open_the_seal() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.root("PUT", "sys/seal", Value::Null).await.0, 204);
    told(sandbox.root("GET", "secret/data/app/db", Value::Null).await, 503, "Vault is sealed");
    told(sandbox.root("PUT", "sys/unseal", json!({})).await, 400, "'key' must be specified");
    told(
        sandbox.root("PUT", "sys/unseal", json!({ "key": "!" })).await,
        400,
        "'key' must be a valid hex or base64 string",
    );
}
