//! Rules, issuers, federated domains.

use serde_json::{Value, json};

use super::world::{AUTHORITY, World, admin_rule, segment};

#[tokio::test]
async fn a_rule_is_put_read_and_deleted() {
    let world = World::new().await;
    let made = world.put("/v1/rules/operators", admin_rule()).await;
    assert_eq!((made.status, made.body["action"].clone()), (200, json!("created")), "{made:?}");
    let row = world.last().await.record;
    assert_eq!((row.action.as_str(), row.subject.as_str()), ("rule.put", "operators"));
    assert_eq!(world.put("/v1/rules/operators", admin_rule()).await.body["action"], "unchanged");
    let read = world.get("/v1/rules/operators").await;
    assert_eq!(read.body["rule"]["subject"], admin_rule()["subject"]);
    let mut changed = admin_rule();
    changed["lifetime"] = json!(60);
    let tag = read.etag.unwrap();
    let put = world.call("PUT", "/v1/rules/operators", Some(changed.clone()), &[("if-match", &tag)]).await;
    assert_eq!(put.body["action"], "updated");
    let stale = world.call("DELETE", "/v1/rules/operators", None, &[("if-match", &tag)]).await;
    assert_eq!((stale.status, stale.code()), (412, "stale"));
    let again = world.call("PUT", "/v1/rules/operators", Some(changed), &[("if-none-match", "*")]).await;
    assert_eq!((again.status, again.code()), (409, "exists"));
    assert_eq!(world.delete("/v1/rules/operators").await.body["action"], "deleted");
    assert_eq!(world.get("/v1/rules/operators").await.code(), "not-found");
    assert_eq!(world.delete("/v1/rules/operators").await.code(), "not-found");
}

#[tokio::test]
async fn a_rule_counts_when_its_change_is_answered() {
    let world = World::new().await;
    let svid = world.jwt_svid("spiffe://example.org/ops/alice").await;
    let exchange = || {
        let request = carnet_issuer::TokenRequest {
            audiences: vec![AUTHORITY.to_owned()],
            ..carnet_issuer::TokenRequest::exchange(svid.clone(), carnet_issuer::SubjectType::JwtSvid)
        };
        world.issuer.exchange(request, carnet_issuer::Caller::at("192.0.2.1:1"))
    };
    for _ in 0..3 {
        assert_eq!(world.put("/v1/rules/operators", admin_rule()).await.status, 200);
        assert!(exchange().await.is_ok());
        assert_eq!(world.delete("/v1/rules/operators").await.status, 200);
        assert!(exchange().await.is_err(), "nothing is issued by a rule whose deletion was answered");
    }
}

#[tokio::test]
async fn tells_when_a_change_is_stored_and_does_not_count() {
    let world = World::new().await;
    assert_eq!(world.put("/v1/rules/operators", admin_rule()).await.status, 200);
    carnet_core::replace_files(&[carnet_core::NewFile::new(world.path("rules.toml"), "no rules at all")]).unwrap();
    let answer = world.delete("/v1/rules/operators").await;
    assert_eq!((answer.status, answer.code()), (409, "conflict"));
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("is stored"), "{answer:?}");
    assert_eq!(world.get("/v1/rules/operators").await.status, 404);
}

#[tokio::test]
async fn a_rule_for_jobs_is_put_with_what_their_ci_system_says_of_it() {
    let world = World::new().await;
    let wide = json!({
        "name": "ci", "issuer": "https://token.actions.githubusercontent.com", "subject": "repo:org/app:*",
        "claims": { "repository_id": "7" }, "identity": "/ci", "issue": ["jwt-svid"], "audiences": [AUTHORITY],
    });
    for path in ["/v1/rules/ci?dry_run=true", "/v1/rules/ci"] {
        let answer = world.put(path, wide.clone()).await;
        let warnings = answer.body["warnings"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
        let said = warnings[0].as_str().unwrap();
        assert!(said.starts_with("subject: every branch and every pull request"), "{said}");
    }
    let mut meant = wide.clone();
    meant["accept_risk"] = json!("jobs of all branches may read");
    let mut narrow = wide;
    narrow["claims"]["ref"] = json!("refs/heads/main");
    for rule in [meant, narrow] {
        assert!(world.put("/v1/rules/ci", rule).await.body.get("warnings").is_none());
    }
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let world = World::new().await;
    let before = world.audit().await.len();
    let answer = world.put("/v1/rules/operators?dry_run=true", admin_rule()).await;
    assert_eq!(answer.body, json!({ "action": "created", "dry_run": true }));
    assert_eq!((world.audit().await.len(), world.get("/v1/rules/operators").await.status), (before, 404));
}

#[tokio::test]
async fn rejects_a_rule_with_all_its_mistakes() {
    let world = World::new().await;
    let mut rule = admin_rule();
    rule["condition"] = json!("claims.sub ==");
    rule["networks"] = json!(["nowhere"]);
    rule["scopes"] = json!(["two words"]);
    for path in ["/v1/rules/operators", "/v1/rules/operators?dry_run=true"] {
        let answer = world.put(path, rule.clone()).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid"));
        let mistakes = answer.body["error"]["mistakes"].as_array().unwrap();
        let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake["field"].as_str().unwrap()).collect();
        for field in ["condition", "networks", "scopes"] {
            assert!(fields.contains(&field), "{fields:?}");
        }
    }
    assert_eq!(world.get("/v1/rules/operators").await.status, 404);
}

#[tokio::test]
async fn rejects_a_rule_that_a_stranger_could_match() {
    let world = World::new().await;
    let mut rule = admin_rule();
    rule["issuer"] = json!("https://token.actions.githubusercontent.com");
    rule["subject"] = json!("**");
    rule["identity"] = json!("/ci");
    let answer = world.put("/v1/rules/operators", rule).await;
    assert_eq!((answer.status, answer.code()), (400, "invalid"), "{answer:?}");
}

#[tokio::test]
async fn rejects_a_rule_under_another_name() {
    let world = World::new().await;
    let answer = world.put("/v1/rules/others", admin_rule()).await;
    assert_eq!((answer.status, answer.code(), &answer.body["error"]["field"]), (400, "invalid", &json!("name")));
}

#[tokio::test]
async fn rejects_an_issuer_with_its_mistakes_and_the_deletion_of_one_in_use() {
    let world = World::new().await;
    let name = "https://issuer.example";
    let path = format!("/v1/issuers/{}", segment(name));
    let answer = world.put(&path, json!({ "issuer": name, "leeway": 1000, "algorithms": ["none"] })).await;
    assert_eq!(answer.body["error"]["mistakes"].as_array().unwrap().len(), 2, "{answer:?}");
    assert_eq!(world.put(&path, json!({ "issuer": "https://other.example" })).await.code(), "invalid");
    assert_eq!(world.put(&path, json!({ "issuer": name, "leeway": 10 })).await.status, 200);
    let mut rule = admin_rule();
    rule["issuer"] = json!(name);
    rule["subject"] = json!("job-7");
    rule["identity"] = json!("/ci");
    assert_eq!(world.put("/v1/rules/operators", rule).await.status, 200);
    let answer = world.delete(&path).await;
    assert_eq!((answer.status, answer.code()), (409, "conflict"));
    assert_eq!(world.delete("/v1/rules/operators").await.status, 200);
    assert_eq!(world.delete(&path).await.status, 200);
}

fn foreign(url: &str) -> Value {
    json!({ "url": url, "profile": { "type": "https_web" } })
}

#[tokio::test]
async fn rejects_a_federation_that_cannot_be() {
    let world = World::new().await;
    let own = world.put("/v1/federation/example.org", foreign("https://bundle.example/")).await;
    assert_eq!((own.status, own.code()), (400, "invalid"));
    let plain = world.put("/v1/federation/partner.example", foreign("http://bundle.example/")).await;
    assert_eq!((plain.code(), &plain.body["error"]["field"]), ("invalid", &json!("url")));
    let mut first = foreign("https://bundle.example/");
    first["profile"] = json!({ "type": "https_spiffe", "endpoint_spiffe_id": "spiffe://partner.example/bundle" });
    let blind = world.put("/v1/federation/partner.example", first).await;
    assert_eq!((blind.code(), &blind.body["error"]["field"]), ("invalid", &json!("bundle")));
    let mut timeless = foreign("https://bundle.example/");
    timeless["max_age"] = json!(0);
    let timeless = world.put("/v1/federation/partner.example", timeless).await;
    assert_eq!((timeless.code(), &timeless.body["error"]["field"]), ("invalid", &json!("max_age")));
    assert_eq!(world.put("/v1/federation/Not_A_Domain!", foreign("https://b.example/")).await.code(), "invalid");
    assert_eq!(world.post("/v1/federation/partner.example/refresh", json!({})).await.code(), "not-found");
}

const IN_A_FILE: &str = r#"
[[rule]]
name = "operators"
issuer = "spiffe://example.org"
subject = "spiffe://example.org/ops/bob"
identity = "{sub}"
issue = ["access-token"]
audiences = ["https://app.example"]
"#;

#[tokio::test]
async fn rejects_a_rule_of_the_same_name_as_one_in_a_file() {
    let world = World::with_rules(IN_A_FILE).await;
    let answer = world.put("/v1/rules/operators", admin_rule()).await;
    assert_eq!((answer.status, answer.code()), (409, "conflict"), "{answer:?}");
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(message.contains(&world.path("rules.toml")), "the file is named: {message}");
    assert_eq!(world.get("/v1/info").await.body["rules"], 1, "the one in the file counts");
    assert_eq!(world.delete("/v1/rules/operators").await.code(), "conflict");
    assert_eq!(world.get("/v1/rules/operators").await.status, 200);
}

#[tokio::test]
async fn rules_and_issuers_are_listed_with_their_origin() {
    let issuer = "[[issuer]]\nissuer = \"https://issuer.example\"\nleeway = 10\n";
    let world = World::with_rules(&format!("{IN_A_FILE}{issuer}")).await;
    let mut rule = admin_rule();
    rule["name"] = json!("alice");
    assert_eq!(world.put("/v1/rules/alice", rule).await.status, 200);
    let path = format!("/v1/issuers/{}", segment("https://a.example"));
    assert_eq!(world.put(&path, json!({ "issuer": "https://a.example" })).await.status, 200);
    let file = world.path("rules.toml");
    for (path, wanted) in [
        ("/v1/rules", [("alice", "api"), ("operators", &*file)]),
        ("/v1/issuers", [("https://a.example", "api"), ("https://issuer.example", &file)]),
    ] {
        let answer = world.get(path).await;
        let items = answer.body["items"].as_array().unwrap();
        let seen: Vec<(&str, &str)> = items
            .iter()
            .map(|item| {
                let name = item.pointer("/rule/name").or_else(|| item.pointer("/issuer/issuer")).unwrap();
                assert_eq!(item["origin"] == "api", item.get("revision").is_some(), "{item}");
                (name.as_str().unwrap(), item["origin"].as_str().unwrap())
            })
            .collect();
        assert_eq!(seen, wanted, "{path}");
        let first = world.get(&format!("{path}?limit=1")).await;
        assert_eq!(first.body["next"], wanted[0].0);
    }
    let one = world.get("/v1/rules/operators").await;
    assert_eq!((one.body["origin"].as_str(), one.etag), (Some(&*file), None));
}

#[tokio::test]
async fn rejects_the_deletion_of_an_issuer_that_a_rule_of_a_file_names() {
    let rule = IN_A_FILE.replace("spiffe://example.org\"", "https://issuer.example\"").replace("{sub}", "/ci");
    let world = World::with_rules(&rule).await;
    let path = format!("/v1/issuers/{}", segment("https://issuer.example"));
    assert_eq!(world.put(&path, json!({ "issuer": "https://issuer.example", "leeway": 10 })).await.status, 200);
    let answer = world.delete(&path).await;
    assert_eq!((answer.status, answer.code()), (409, "conflict"), "{answer:?}");
}

#[tokio::test]
async fn rejects_an_issuer_that_stands_in_a_file() {
    let name = "https://issuer.example";
    let world = World::with_rules(&format!("[[issuer]]\nissuer = \"{name}\"\nleeway = 10\n")).await;
    let path = format!("/v1/issuers/{}", segment(name));
    let answer = world.put(&path, json!({ "issuer": name, "leeway": 20 })).await;
    assert_eq!((answer.status, answer.code()), (409, "conflict"), "{answer:?}");
    let read = world.get(&path).await;
    assert_eq!((&read.body["issuer"]["leeway"], &read.body["origin"]), (&json!(10), &json!(world.path("rules.toml"))));
    assert_eq!(world.delete(&path).await.code(), "conflict");
    assert!(world.audit().await.iter().all(|row| !row.record.action.starts_with("issuer.")), "nothing was written");
    world.rules.check(&[], &[]).await.unwrap();
}
