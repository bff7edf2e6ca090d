//! What would be done, by the same checks, and is not.

use serde_json::{Value, json};

use super::world::{Answer, World, entry};

/// Asks with and without a dry run, the dry run first, which must leave everything as it is.
async fn both(world: &World, method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> [Answer; 2] {
    let (rows, entries) = (world.audit().await.len(), world.get("/v1/entries").await.body);
    let looked = world.call(method, &format!("{path}?dry_run=true"), body.clone(), headers).await;
    assert_eq!(world.audit().await.len(), rows, "there is no audit row of a dry run");
    assert_eq!(world.get("/v1/entries").await.body, entries, "nothing is stored by a dry run");
    [looked, world.call(method, path, body, headers).await]
}

#[tokio::test]
async fn a_dry_run_of_an_entry_says_what_would_become_of_it() {
    let world = World::new().await;
    let [looked, made] = both(&world, "POST", "/v1/entries", Some(entry("/a")), &[]).await;
    assert_eq!((looked.status, &looked.body["dry_run"], &looked.body["entry"]["id"]), (200, &json!(true), &json!("")));
    assert_eq!(looked.etag, None);
    assert_eq!((made.status, made.body.get("dry_run")), (201, None));
    assert_eq!(looked.body["entry"]["spiffe_id"], made.body["entry"]["spiffe_id"]);
    let path = format!("/v1/entries/{}", made.body["entry"]["id"].as_str().unwrap());
    let tag = made.etag.unwrap();
    let [looked, changed] = both(&world, "PUT", &path, Some(entry("/b")), &[("if-match", &tag)]).await;
    assert_eq!((looked.status, changed.status), (200, 200));
    assert_eq!(looked.body["entry"]["spiffe_id"], "spiffe://example.org/b");
    let [looked, gone] = both(&world, "DELETE", &path, None, &[]).await;
    assert_eq!(looked.body, json!({ "action": "deleted", "dry_run": true }));
    assert_eq!((gone.status, gone.body["dry_run"].clone()), (200, json!(false)));
}

#[tokio::test]
async fn a_dry_run_refuses_what_the_real_one_refuses() {
    let world = World::new().await;
    let named = |id: &str, path: &str| {
        let mut entry = entry(path);
        entry["id"] = json!(id);
        entry
    };
    assert_eq!(world.post("/v1/entries", named("a", "/a")).await.status, 201);
    let old = world.post("/v1/entries", named("b", "/b")).await.etag.unwrap();
    assert_eq!(world.call("PUT", "/v1/entries/b", Some(named("b", "/c")), &[("if-match", "*")]).await.status, 200);
    let mut wrong = entry("/x");
    wrong["selectors"] = json!([]);
    let stale: &[(&str, &str)] = &[("if-match", &old)];
    let any: &[(&str, &str)] = &[("if-match", "*")];
    let cases = [
        ("POST", "/v1/entries", Some(wrong.clone()), any, "invalid"),
        ("POST", "/v1/entries", Some(entry("/a")), any, "exists"),
        ("POST", "/v1/entries", Some(named("a", "/other")), any, "exists"),
        ("PUT", "/v1/entries/b", Some(wrong), any, "invalid"),
        ("PUT", "/v1/entries/b", Some(named("b", "/a")), any, "exists"),
        ("PUT", "/v1/entries/b", Some(named("b", "/d")), stale, "stale"),
        ("PUT", "/v1/entries/b", Some(named("b", "/d")), &[], "precondition-required"),
        ("PUT", "/v1/entries/none", Some(entry("/d")), any, "not-found"),
        ("DELETE", "/v1/entries/none", None, &[], "not-found"),
    ];
    for (method, path, body, headers, code) in cases {
        let [looked, done] = both(&world, method, path, body, headers).await;
        assert_eq!((looked.code(), done.code()), (code, code), "{method} {path}: {looked:?}, {done:?}");
        assert_eq!((looked.status, &looked.body["error"]["message"]), (done.status, &done.body["error"]["message"]));
    }
    let unclear = world.call("DELETE", "/v1/entries/a?dry_run=perhaps", None, &[]).await;
    assert_eq!(unclear.code(), "invalid", "it is not done by mistake: {unclear:?}");
    assert_eq!(world.get("/v1/entries/a").await.status, 200);
}

#[tokio::test]
async fn a_dry_run_of_a_deletion_refuses_what_the_real_one_refuses() {
    let world = World::with_rules("[[issuer]]\nissuer = \"https://issuer.example\"\nleeway = 10\n").await;
    for path in ["/v1/rules/none", "/v1/issuers/none", "/v1/issuers/https:%2F%2Fissuer.example", "/v1/federation/none"]
    {
        let [looked, done] = both(&world, "DELETE", path, None, &[]).await;
        assert!(looked.status >= 400, "{path}: {looked:?}");
        assert_eq!((looked.status, looked.code()), (done.status, done.code()), "{path}");
    }
}
