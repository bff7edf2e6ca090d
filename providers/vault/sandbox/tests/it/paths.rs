//! Policies see the path that is answered, however it is written.

use serde_json::{Value, json};

use crate::support::Sandbox;

/// A token that may do everything with the policies, mounts and namespaces, but nothing with those named `w`.
async fn administrator(sandbox: &Sandbox) -> String {
    let all = r#"["create", "read", "update", "delete", "list", "sudo"]"#;
    let blocks = ["sys/policies", "sys/policies/acl", "sys/mounts", "sys/auth", "sys/namespaces"].map(|path| {
        format!("path \"{path}/*\" {{ capabilities = {all} }}\npath \"{path}/w\" {{ capabilities = [\"deny\"] }}\n")
    });
    let policy = blocks.concat();
    assert_eq!(sandbox.root("PUT", "sys/policies/acl/admin", json!({ "policy": policy })).await.0, 204);
    for (path, body) in [
        ("sys/policies/acl/w", json!({ "policy": "path \"x\" { capabilities = [\"read\"] }" })),
        ("sys/mounts/w", json!({ "type": "kv" })),
        ("sys/auth/w", json!({ "type": "jwt" })),
    ] {
        assert_eq!(sandbox.root("POST", path, body).await.0, 204, "{path}");
    }
    assert_eq!(sandbox.root("POST", "sys/namespaces/w", Value::Null).await.0, 200);
    let (_, body) = sandbox.root("POST", "auth/token/create", json!({ "policies": "admin" })).await;
    body["auth"]["client_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_administrator_reaches_what_is_not_denied() {
    let sandbox = Sandbox::new();
    let token = administrator(&sandbox).await;
    let policy = json!({ "policy": "path \"x\" { capabilities = [\"read\"] }" });
    assert_eq!(sandbox.with(&token, "POST", "sys/policies/acl//other", policy).await.0, 204);
    assert_eq!(sandbox.with(&token, "GET", "sys/policies/acl/other/", Value::Null).await.0, 200);
    assert_eq!(sandbox.with(&token, "DELETE", "sys/policies/acl/other/", Value::Null).await.0, 204);
}

#[tokio::test]
async fn rejects_ways_around_a_denied_path() {
    let sandbox = Sandbox::new();
    let token = administrator(&sandbox).await;
    let policy = json!({ "policy": "path \"*\" { capabilities = [\"read\"] }" });
    for path in ["sys/policies/acl/w", "sys/policies/acl//w", "sys/policies//acl///w", "sys/policies/acl%2F/w"] {
        assert_eq!(sandbox.with(&token, "POST", path, policy.clone()).await.0, 403, "{path}");
    }
    for path in ["sys/policies/acl", "sys/mounts", "sys/auth", "sys/namespaces"] {
        for (method, end) in [("DELETE", "/w/"), ("DELETE", "//w"), ("GET", "/w/"), ("GET", "/w//")] {
            let (status, body) = sandbox.with(&token, method, &format!("{path}{end}"), Value::Null).await;
            assert_eq!(status, 403, "{method} {path}{end}: {body}");
        }
    }
    // No such path: the name is not the part that follows without a slash.
    assert_eq!(sandbox.with(&token, "POST", "sys/policies/aclw", policy).await.0, 404);
    assert_eq!(sandbox.with(&token, "DELETE", "sys/policies/aclw", Value::Null).await.0, 404);
}
