//! Access tokens, one by one and many at once.

use carnet_store::{AuditRecord, Commit, Committed, Op, Outcome, TokenRow};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::world::World;

fn noon() -> Timestamp {
    Timestamp::from_second(1_795_262_400).unwrap()
}

fn token(id: &str, subject: &str, rule: &str) -> TokenRow {
    let end = noon() + SignedDuration::from_mins(10);
    TokenRow {
        id: id.to_owned(),
        subject: subject.to_owned(),
        actor: None,
        rule: rule.to_owned(),
        audiences: vec!["https://app.example".to_owned()],
        issued_at: noon(),
        expires_at: end,
        max_expires_at: end,
        uses_left: None,
        networks: Vec::new(),
        revoked_at: None,
        claims: Value::Null,
    }
}

async fn remember(world: &World, rows: impl IntoIterator<Item = TokenRow>) {
    let ops = rows.into_iter().map(Op::InsertToken).collect();
    let audit = AuditRecord::new(noon(), "token.exchange", Outcome::Allowed);
    let done = world.store.commit(Commit { ops, audit, refused: None }).await.unwrap();
    assert!(matches!(done, Committed::Done { .. }));
}

async fn ids(world: &World, query: &str) -> Vec<String> {
    let answer = world.get(&format!("/v1/tokens{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn tokens_come_by_what_they_are_and_how_they_stand() {
    let world = World::new().await;
    let rows = [
        token("active", "alice", "jobs"),
        TokenRow { expires_at: noon(), ..token("expired", "alice", "jobs") },
        token("other", "bob", "others"),
        TokenRow { revoked_at: Some(noon()), ..token("revoked", "bob", "jobs") },
        TokenRow { uses_left: Some(0), ..token("used", "bob", "jobs") },
    ];
    remember(&world, rows).await;
    assert_eq!(ids(&world, "").await, ["active", "expired", "other", "revoked", "used"]);
    for (query, wanted) in [
        ("?state=active", vec!["active", "other"]),
        ("?state=used-up", vec!["used"]),
        ("?state=revoked", vec!["revoked"]),
        ("?state=expired", vec!["expired"]),
        ("?subject=alice", vec!["active", "expired"]),
        ("?rule=jobs&subject=bob", vec!["revoked", "used"]),
        ("?rule=others&state=revoked", vec![]),
    ] {
        assert_eq!(ids(&world, query).await, wanted, "{query}");
    }
    let items = world.get("/v1/tokens").await.body["items"].clone();
    let states: Vec<&str> = items.as_array().unwrap().iter().map(|item| item["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["active", "expired", "active", "revoked", "used-up"]);
    let first = world.get("/v1/tokens?limit=2").await;
    assert_eq!(first.body["next"], "expired");
    assert_eq!(ids(&world, "?limit=3&after=expired").await, ["other", "revoked", "used"]);
    for wrong in ["?state=live", "?limit=0", "?limit=1001", "?jti=a"] {
        assert_eq!(world.get(&format!("/v1/tokens{wrong}")).await.code(), "invalid", "{wrong}");
    }
}

#[tokio::test]
async fn the_tokens_of_a_subject_or_a_rule_are_revoked_each_with_its_row() {
    let world = World::new().await;
    let many = (0..150).map(|number| token(&format!("j{number:03}"), "alice", "jobs"));
    let others = [
        token("a", "alice", "others"),
        token("b", "bob", "jobs"),
        TokenRow { expires_at: noon(), ..token("c", "alice", "jobs") },
        TokenRow { uses_left: Some(0), ..token("d", "alice", "jobs") },
    ];
    remember(&world, many.chain(others)).await;
    let before = world.audit().await.len();
    let wanted = json!({ "subject": "alice", "rule": "jobs" });
    let looked = world.post("/v1/tokens/revoke?dry_run=true", wanted.clone()).await;
    assert_eq!(looked.body, json!({ "revoked": 151, "dry_run": true }));
    assert_eq!((world.audit().await.len(), ids(&world, "?state=revoked").await.len()), (before, 0));
    let done = world.post("/v1/tokens/revoke", wanted.clone()).await;
    assert_eq!(done.body, json!({ "revoked": 151, "dry_run": false }), "{done:?}");
    assert_eq!(ids(&world, "?state=revoked&limit=1000").await.len(), 151);
    assert_eq!(ids(&world, "?state=active").await, ["a", "b"]);
    let mut rows: Vec<_> = world.audit().await.split_off(before);
    // Those that stand by themselves have no rows: one mark takes all of them back.
    let mark = rows.remove(0).record;
    assert_eq!(
        (mark.action.as_str(), mark.subject.as_str(), &mark.details["rule"]),
        ("token.revoke-before", "alice", &json!("jobs"))
    );
    let mut named: Vec<&str> = rows.iter().map(|row| row.record.token_id.as_deref().unwrap()).collect();
    named.sort_unstable();
    named.dedup();
    assert_eq!((rows.len(), named.len()), (151, 151));
    let first = &rows[0].record;
    assert_eq!(
        (first.action.as_str(), first.subject.as_str(), first.outcome),
        ("token.revoke", "alice", Outcome::Allowed)
    );
    assert_eq!(first.details["rule"], "jobs");
    assert!(first.actor.starts_with("uid:"), "who asked is named: {}", first.actor);
    assert_eq!(world.post("/v1/tokens/revoke", wanted).await.body["revoked"], 0);
    assert_eq!(world.post("/v1/tokens/revoke", json!({ "rule": "jobs" })).await.body["revoked"], 1);
    assert_eq!(world.post("/v1/tokens/revoke", json!({ "subject": "alice" })).await.body["revoked"], 1);
}

#[tokio::test]
async fn more_than_a_thousand_tokens_are_revoked_in_several_calls() {
    let world = World::new().await;
    remember(&world, (0..1001).map(|number| token(&format!("j{number:04}"), "alice", "jobs"))).await;
    let looked = world.post("/v1/tokens/revoke?dry_run=true", json!({ "rule": "jobs" })).await;
    assert_eq!(looked.body, json!({ "revoked": 1000, "dry_run": true, "next": "j0999" }));
    let first = world.post("/v1/tokens/revoke", json!({ "rule": "jobs" })).await;
    assert_eq!(first.body, json!({ "revoked": 1000, "dry_run": false, "next": "j0999" }));
    let rest = world.post("/v1/tokens/revoke", json!({ "rule": "jobs", "after": "j0999" })).await;
    assert_eq!(rest.body, json!({ "revoked": 1, "dry_run": false }));
}

#[tokio::test]
async fn rejects_revoking_everything() {
    let world = World::new().await;
    remember(&world, [token("a", "alice", "jobs")]).await;
    for body in [json!({}), json!({ "after": "a" }), json!({ "subjet": "alice" })] {
        let answer = world.post("/v1/tokens/revoke", body.clone()).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid"), "{body}");
    }
    assert_eq!(ids(&world, "?state=active").await, ["a"]);
}
