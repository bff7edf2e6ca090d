//! What a query says and the route does not know.

use serde_json::{Value, json};

use super::world::{World, admin_rule, entry, segment};

const NODE: &str = "spiffe://example.org/carnet/agent/join-token/web";

/// A body that the route would take.
fn body(operation: &str, world: &World) -> Value {
    match operation {
        "createEntry" | "updateEntry" => entry("/b"),
        "putRule" => admin_rule(),
        "putIssuer" => json!({ "issuer": "https://issuer.example", "leeway": 10 }),
        "putFederation" => json!({ "url": "https://bundle.partner.example/", "profile": { "type": "https_web" } }),
        "rotateKey" => json!({ "purpose": "jwt:ES256", "when": "now" }),
        "rewrapKeys" => json!({ "key_file": world.path("other.key") }),
        "createJoinToken" => json!({ "agent_path": "web/2", "ttl": 60 }),
        "revokeTokens" => json!({ "rule": "operators" }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn rejects_what_a_query_does_not_know_on_every_route_and_changes_nothing() {
    let world = World::new().await;
    world.node(NODE).await;
    let made = world.post("/v1/entries", entry("/a")).await.body["entry"]["id"].as_str().unwrap().to_owned();
    let hash = world.post("/v1/join-tokens", json!({})).await.body["hash"].as_str().unwrap().to_owned();
    let kid = world.get("/v1/keys").await.body["items"][0]["kid"].as_str().unwrap().to_owned();
    for (path, operation) in [
        ("/v1/rules/operators", "putRule"),
        ("/v1/issuers/https:%2F%2Fissuer.example", "putIssuer"),
        ("/v1/federation/partner.example", "putFederation"),
    ] {
        assert_eq!(world.put(path, body(operation, &world)).await.status, 200, "{path}");
    }
    let before = world.store.audit_head().await.unwrap();
    let mut calls = 0;
    for (route, methods) in carnet_authority::admin::document()["paths"].as_object().unwrap() {
        let name = match route.split('/').nth(2).unwrap() {
            "entries" => &made,
            "rules" => "operators",
            "issuers" => "https://issuer.example",
            "federation" => "partner.example",
            "keys" => &kid,
            "nodes" => NODE,
            "join-tokens" => &hash,
            _ => "none",
        };
        let path: Vec<String> =
            route.split('/').map(|part| if part.starts_with('{') { segment(name) } else { part.to_owned() }).collect();
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let tries = parameters.iter().any(|parameter| parameter["name"] == "dry_run");
            let name = operation["operationId"].as_str().unwrap();
            let body = operation.get("requestBody").map(|_| body(name, &world));
            for query in ["nothing_known=1", "dry_run=true"] {
                if query == "dry_run=true" && tries {
                    continue;
                }
                let path = format!("{}?{query}", path.join("/"));
                let answer = world.call(&method.to_uppercase(), &path, body.clone(), &[]).await;
                assert_eq!((answer.status, answer.code()), (400, "invalid"), "{method} {path}: {answer:?}");
                calls += 1;
            }
        }
    }
    assert!(calls > 50, "{calls} calls");
    assert_eq!(world.store.audit_head().await.unwrap(), before, "there is no audit row, so nothing was done");
}
