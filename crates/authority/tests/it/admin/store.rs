//! The time that the store goes by.

use carnet_store::{AuditRecord, Commit, Committed, Outcome};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::world::World;

/// The clock of every world.
const NOON: &str = "2026-11-21T12:00:00Z";

#[tokio::test]
async fn an_operator_has_the_store_believe_the_clock() {
    let world = World::new().await;
    // A year of which nothing was pruned.
    world.clock.advance(SignedDuration::from_hours(365 * 24));
    let shown = world.get("/v1/store/clock").await;
    assert_eq!(shown.body["believed"], NOON);
    assert_eq!(shown.body["behind_seconds"], 365 * 24 * 3600);
    let answer = world.post("/v1/store/clock", json!({ "now": "2027-11-21T12:04:59Z" })).await;
    assert_eq!((answer.status, &answer.body["behind_seconds"]), (200, &json!(0)), "{answer:?}");
    assert_eq!(answer.body["believed"], "2027-11-21T12:00:00Z", "its own clock, not that of who asks");
    let row = world.last().await.record;
    assert_eq!((row.action.as_str(), row.outcome), ("store.believe-clock", Outcome::Allowed));
    assert!(row.actor.starts_with("uid:"), "{}", row.actor);
    assert_eq!(row.details["believed"], NOON);
    assert_eq!(row.details["reopen"], false);
}

#[tokio::test]
async fn rejects_a_clock_that_the_operator_does_not_share() {
    let world = World::new().await;
    let before = world.last().await.seq;
    for apart in ["2026-11-21T11:54:59Z", "2026-11-21T12:05:01Z"] {
        let answer = world.post("/v1/store/clock", json!({ "now": apart })).await;
        assert_eq!((answer.status, answer.code()), (409, "conflict"), "{answer:?}");
        assert!(answer.body["error"]["message"].as_str().unwrap().contains(apart), "{answer:?}");
    }
    assert_eq!(world.post("/v1/store/clock", json!({ "reopen": true })).await.code(), "invalid");
    assert_eq!(world.last().await.seq, before);
    assert_eq!(world.store.clock().await.unwrap().believed, Some(NOON.parse::<Timestamp>().unwrap()));
}

#[tokio::test]
async fn an_export_with_a_filter_ends_and_says_from_where_to_go_on() {
    let world = World::new().await;
    let now: Timestamp = NOON.parse().unwrap();
    let row = |action: &str| AuditRecord::new(now, action, Outcome::Allowed);
    for _ in 0..3 {
        let rows = (0..8_000).map(|_| carnet_store::Op::Audit(Box::new(row("other")))).collect();
        let many = Commit { ops: rows, audit: row("wanted"), refused: None };
        assert!(matches!(world.store.commit(many).await.unwrap(), Committed::Done { .. }));
    }
    let head = world.store.audit_head().await.unwrap().seq;
    let (lines, next) = world.export("after=0&action=wanted").await;
    assert_eq!((lines, next.as_deref()), (2, Some("20000")));
    assert_eq!(world.export("after=20000&action=wanted").await, (1, None), "the rest");
    assert_eq!(world.export("after=100&action=nothing").await, (0, Some("20100".to_owned())));
    assert_eq!(world.export(&format!("after={}&action=nothing", head - 20_000)).await, (0, None));
    assert_eq!(world.export("after=0").await, (usize::try_from(head).unwrap(), None), "all, as it is read");
}
