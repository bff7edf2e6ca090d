//! Entries, keys, nodes, tokens and the audit log.

use serde_json::{Value, json};

use super::world::{World, entry, segment};

#[tokio::test]
async fn an_entry_is_changed_at_the_revision_that_was_read() {
    let world = World::new().await;
    let made = world.post("/v1/entries", entry("/a")).await;
    let id = made.body["entry"]["id"].as_str().unwrap();
    let path = format!("/v1/entries/{id}");
    let tag = made.etag.unwrap();
    let changed = world.call("PUT", &path, Some(entry("/b")), &[("if-match", &tag)]).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(world.get(&path).await.body["entry"]["spiffe_id"], "spiffe://example.org/b");
    let stale = world.call("PUT", &path, Some(entry("/c")), &[("if-match", &tag)]).await;
    assert_eq!((stale.status, stale.code()), (412, "stale"));
    let blind = world.put(&path, entry("/c")).await;
    assert_eq!((blind.status, blind.code()), (428, "precondition-required"));
    let forced = world.call("PUT", &path, Some(entry("/c")), &[("if-match", "*")]).await;
    assert_eq!(forced.status, 200);
}

#[tokio::test]
async fn rejects_an_entry_with_all_its_mistakes() {
    let world = World::new().await;
    let mut wrong = entry("/a");
    wrong["spiffe_id"] = json!("spiffe://elsewhere.example/a");
    wrong["selectors"] = json!([]);
    wrong["federates_with"] = json!(["unknown.example"]);
    let answer = world.post("/v1/entries", wrong).await;
    assert_eq!((answer.status, answer.code()), (400, "invalid"));
    let fields: Vec<&str> =
        answer.body["error"]["mistakes"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect();
    for field in ["spiffe_id", "selectors", "federates_with"] {
        assert!(fields.contains(&field), "{fields:?}");
    }
}

#[tokio::test]
async fn rejects_a_second_entry_for_the_same_workload() {
    let world = World::new().await;
    assert_eq!(world.post("/v1/entries", entry("/a")).await.status, 201);
    let answer = world.post("/v1/entries", entry("/a")).await;
    assert_eq!((answer.status, answer.code()), (409, "exists"));
    assert_eq!(world.last().await.record.clause.as_deref(), Some("conflict"), "the attempt is on record");
}

#[tokio::test]
async fn rejects_members_that_are_not_known_and_bodies_that_are_not_json() {
    let world = World::new().await;
    let mut wrong = entry("/a");
    wrong["admn"] = json!(true);
    assert_eq!(world.post("/v1/entries", wrong).await.code(), "invalid");
    let answer = world.call("POST", "/v1/entries", None, &[("content-type", "text/plain")]).await;
    assert_eq!((answer.status, answer.code()), (415, "unsupported-media-type"));
    let answer = world.get("/v1/entries?limt=3").await;
    assert_eq!((answer.status, answer.code()), (400, "invalid"));
}

#[tokio::test]
async fn rejects_a_body_that_is_too_large() {
    let world = World::new().await;
    let answer = world.post("/v1/entries", json!({ "hint": "x".repeat(2 << 20) })).await;
    assert_eq!((answer.status, answer.code()), (413, "too-large"));
}

#[tokio::test]
async fn entries_come_by_the_page_and_by_what_they_are() {
    let world = World::new().await;
    for name in ["/a", "/b", "/c", "/d", "/e"] {
        let mut one = entry(name);
        one["selectors"] = json!(["unix:uid:1000", format!("unix:path:/bin{name}")]);
        assert_eq!(world.post("/v1/entries", one).await.status, 201);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/entries?limit=2".to_owned();
    loop {
        let page = world.get(&path).await.body;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["entry"]["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/entries?limit=2&after={next}");
    }
    assert_eq!(seen.len(), 5);
    let count =
        async |query: &str| world.get(&format!("/v1/entries?{query}")).await.body["items"].as_array().unwrap().len();
    assert_eq!(count("spiffe_id=spiffe://example.org/b").await, 1);
    assert_eq!(count("selector=unix:uid:1000").await, 5);
    assert_eq!(count("selector=unix:uid:1000&selector=unix:path:/bin/c").await, 1);
    assert_eq!(count("parent_id=spiffe://example.org/nobody").await, 0);
    for limit in ["0", "1001", "x"] {
        assert_eq!(world.get(&format!("/v1/entries?limit={limit}")).await.code(), "invalid", "{limit}");
    }
}

#[tokio::test]
async fn keys_are_rotated_revoked_and_named_in_the_audit() {
    let world = World::new().await;
    let keys = world.get("/v1/keys").await.body;
    let kid = |keys: &Value| {
        let keys = keys["items"].as_array().unwrap();
        let signs = |key: &&Value| key["purpose"] == "jwt:ES256" && key["stage"] == "active";
        keys.iter().find(signs).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let first = kid(&keys);
    let rotated = world.post("/v1/keys/rotate", json!({ "purpose": "jwt:ES256", "when": "now" })).await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    let second = kid(&world.get("/v1/keys").await.body);
    assert_ne!(first, second);
    let revoked = world.post(&format!("/v1/keys/{first}/revoke"), json!({})).await;
    assert!(revoked.body["key"]["revoked_at"].is_string(), "{revoked:?}");
    let uid = format!("uid:{}", rustix::process::geteuid().as_raw());
    let actions: Vec<_> = world.audit().await.into_iter().filter(|row| row.record.actor == uid).collect();
    let actions: Vec<&str> = actions.iter().map(|row| row.record.action.as_str()).collect();
    assert_eq!(actions, ["key.rotate", "key.revoke"]);
}

#[tokio::test]
async fn rejects_what_cannot_be_done_with_keys() {
    let world = World::new().await;
    let answer = world.post("/v1/keys/nobody/revoke", json!({})).await;
    assert_eq!((answer.status, answer.code()), (404, "not-found"));
    for purpose in ["jwt:none", "jwt:RS256", "x"] {
        let answer = world.post("/v1/keys/rotate", json!({ "purpose": purpose })).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid"), "{purpose}");
    }
    let answer = world.post("/v1/keys/rewrap", json!({})).await;
    assert_eq!(answer.code(), "invalid");
}

#[tokio::test]
async fn rejects_sealing_keys_again_from_afar() {
    let world = World::new().await;
    let (chain, _) = world.svid(super::world::ADMIN_ID).await;
    let shown = carnet_net::PeerCertificates(std::sync::Arc::new(chain));
    let answer = world
        .as_caller(|request| {
            *request.uri_mut() = "/v1/keys/rewrap".parse().unwrap();
            *request.method_mut() = http::Method::POST;
            *request.body_mut() = axum::body::Body::from(r#"{"key_file":"/tmp/x"}"#);
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
            request.extensions_mut().insert(shown);
        })
        .await;
    assert_eq!((answer.status, answer.code()), (403, "forbidden"));
}

#[tokio::test]
async fn a_node_is_banned_and_forgotten() {
    let world = World::new().await;
    let id = "spiffe://example.org/carnet/agent/join-token/web";
    world.node(id).await;
    let path = format!("/v1/nodes/{}", segment(id));
    let banned = world.post(&format!("{path}/ban"), json!({})).await;
    assert_eq!(banned.body["banned"], true, "{banned:?}");
    assert_eq!(world.delete(&path).await.status, 200);
    for answer in
        [world.get(&path).await, world.delete(&path).await, world.post(&format!("{path}/ban"), json!({})).await]
    {
        assert_eq!((answer.status, answer.code()), (404, "not-found"));
    }
}

#[tokio::test]
async fn a_join_token_is_shown_once() {
    let world = World::new().await;
    let made = world.post("/v1/join-tokens", json!({ "agent_path": "web" })).await;
    let token = made.body["token"].as_str().unwrap();
    assert_eq!(made.body["agent"], "spiffe://example.org/carnet/agent/join-token/web");
    assert!(!world.get("/v1/join-tokens").await.body.to_string().contains(token));
    assert!(!format!("{:?}", world.audit().await).contains(token));
    let hash = made.body["hash"].as_str().unwrap();
    assert_eq!(world.delete(&format!("/v1/join-tokens/{hash}")).await.status, 200);
    assert_eq!(world.delete(&format!("/v1/join-tokens/{hash}")).await.code(), "not-found");
    assert_eq!(world.delete("/v1/join-tokens/12").await.code(), "invalid");
    assert_eq!(world.post("/v1/join-tokens", json!({ "ttl": 0 })).await.code(), "invalid");
    assert_eq!(world.post("/v1/join-tokens", json!({ "agent_path": "a//b" })).await.code(), "invalid");
}

#[tokio::test]
async fn a_token_that_is_not_known_cannot_be_revoked() {
    let world = World::new().await;
    for answer in [world.get("/v1/tokens/none").await, world.post("/v1/tokens/none/revoke", json!({})).await] {
        assert_eq!((answer.status, answer.code()), (404, "not-found"));
    }
}

#[tokio::test]
async fn the_audit_log_comes_by_the_page_and_whole() {
    let world = World::new().await;
    for name in ["/a", "/b", "/c"] {
        assert_eq!(world.post("/v1/entries", entry(name)).await.status, 201);
    }
    let page = world.get("/v1/audit?action=entry.create&limit=2").await.body;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    let rest = world.get(&format!("/v1/audit?action=entry.create&limit=2&after={next}")).await.body;
    assert_eq!((rest["items"].as_array().unwrap().len(), rest.get("next")), (1, None));
    let head = world.store.audit_head().await.unwrap();
    let export = world.get("/v1/audit/export").await.body;
    let lines: Vec<Value> = export.as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, head.seq);
    assert_eq!(lines.last().unwrap()["hash"], carnet_core::hex(&head.hash));
    let two = world.get("/v1/audit/export?limit=2").await.body;
    let two = two.as_str().map_or(0, |text| text.lines().count());
    assert_eq!(two, 2);
}

#[tokio::test]
async fn the_audit_log_is_verified_against_what_was_noted() {
    let world = World::new().await;
    let head = world.store.audit_head().await.unwrap();
    let hash = carnet_core::hex(&head.hash);
    assert_eq!(world.post("/v1/entries", entry("/a")).await.status, 201);
    let good = world.get(&format!("/v1/audit/verify?noted_seq={}&noted_hash={hash}", head.seq)).await.body;
    assert_eq!((good["intact"].clone(), good["seq"].clone()), (json!(true), json!(head.seq + 1)));
    let other = "00".repeat(32);
    let bad = world.get(&format!("/v1/audit/verify?noted_seq={}&noted_hash={other}", head.seq)).await.body;
    assert_eq!((bad["intact"].clone(), bad["seq"].clone()), (json!(false), json!(head.seq)));
    assert_eq!(world.get("/v1/audit/verify?noted_seq=1").await.code(), "invalid");
}

#[tokio::test]
async fn info_tells_how_it_is_doing() {
    let world = World::new().await;
    world.health.component("store").failing("the disk is full");
    let info = world.get("/v1/info").await.body;
    assert_eq!((info["ready"].clone(), info["trust_domain"].clone()), (json!(false), json!("example.org")));
    let store = json!({ "name": "store", "state": "failing", "message": "the disk is full" });
    assert!(info["components"].as_array().unwrap().contains(&store), "{info}");
}
