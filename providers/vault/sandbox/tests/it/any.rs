//! Whatever is asked, something is answered: no panic, no 500, JSON, and nothing of a key.

use carnet_vault_sandbox::seed;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::support::Sandbox;

fn path() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "sys",
        "auth",
        "jwt",
        "role",
        "login",
        "config",
        seed::ROLE,
        "token",
        "lookup-self",
        "renew-self",
        "create",
        "accessors",
        "secret",
        "data",
        "metadata",
        "delete",
        "undelete",
        "destroy",
        "app",
        "db",
        "mounts",
        "policies",
        "acl",
        "capabilities-self",
        "health",
        "seal-status",
        "unseal",
        "wrapping",
        "wrap",
        "unwrap",
        "lookup",
        "namespaces",
        "team",
        "internal",
        "ui",
        "tune",
        "leases",
        "roles",
        "certs",
        "k8s",
        "x509",
        "a%2Fb",
        "%ff",
        "..",
        "",
    ]);
    let query =
        prop::sample::select(vec!["", "?", "?list=true", "?help=1", "?version=-1", "?version=2&list=1", "?%ff=%zz"]);
    (prop::collection::vec(parts, 0..6), query).prop_map(|(parts, query)| format!("{}{query}", parts.join("/")))
}

fn body() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        Value::Null,
        json!([]),
        json!("text"),
        json!({}),
        json!({ "jwt": "a.b.c", "role": seed::ROLE }),
        json!({ "jwt": 1, "role": ["x"] }),
        json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": "a,b", "token_ttl": "-1h" }),
        json!({ "bound_claims": { "/a~1b": ["*"] }, "bound_claims_type": "glob", "user_claim": "/", "period": 1e9 }),
        json!({ "oidc_discovery_url": "https://nobody.example" }),
        json!({ "jwt_validation_pubkeys": ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] }),
        json!({ "policy": "path \"+/*\" { capabilities = [\"read\"] }" }),
        json!({ "type": "kv", "options": { "version": 3 }, "config": { "max_lease_ttl": "x" } }),
        json!({ "data": { "a": { "b": null } }, "options": { "cas": -1 } }),
        json!({ "versions": [-1, 99_999_999_999_u64, "x"], "max_versions": -5, "delete_version_after": "x" }),
        json!({ "ttl": "1h", "explicit_max_ttl": i64::MAX, "num_uses": -1, "policies": "root", "period": "9223372036s" }),
        json!({ "token": "hvs.x", "accessor": "", "increment": i64::MIN, "paths": ["secret/data/app/db", 1] }),
        json!({ "secret_shares": 300, "secret_threshold": 0 }),
        json!({ "key": "zz", "reset": true }),
    ])
}

#[test]
fn any_request_is_answered() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let request = (
        prop::sample::select(vec!["vault", "vault-new"]),
        prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "LIST", "OPTIONS"]),
        path(),
        prop::sample::select(vec!["", "root", "job", "hvs.none"]),
        prop::sample::select(vec!["", "60", "-1", "1h30m", "soon", "9999999999999"]),
        prop::sample::select(vec!["", "team", "/", "a/b"]),
        body(),
    );
    let requests = prop::collection::vec(request, 1..12);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(128));
    let outcome = runner.run(&requests, |requests| {
        runtime.block_on(async {
            // A new one for each case, as requests may seal it or take its policies away.
            let sandbox = Sandbox::new();
            for (mount, kind) in [("k8s", "kubernetes"), ("x509", "cert")] {
                sandbox.root("POST", &format!("sys/auth/{mount}"), json!({ "type": kind })).await;
            }
            let job = sandbox.token().await;
            for (service, method, path, token, wrap, namespace, body) in requests {
                let Ok(_) = format!("/v1/{path}").parse::<http::Uri>() else { continue };
                let token = match token {
                    "root" => seed::ROOT_TOKEN,
                    "job" => job.as_str(),
                    other => other,
                };
                let headers = [
                    ("x-vault-token", token),
                    ("x-vault-wrap-ttl", wrap),
                    ("x-vault-namespace", namespace),
                    ("content-type", "application/merge-patch+json"),
                ];
                let (status, answer) = sandbox.send(service, method, &path, &headers, body).await;
                prop_assert!(status != 500, "{service} {method} {path}: {answer}");
                prop_assert!(
                    status < 400 || method == "HEAD" || answer["errors"].is_array() || answer.is_object(),
                    "{path}: {answer}"
                );
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
