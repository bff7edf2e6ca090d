//! A store that has stood still while the clock went on.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt as _};

use carnet_store::{AuditRecord, Commit, Committed, Options, Outcome, open};
use jiff::SignedDuration;
use serde_json::json;

use super::world::{World, context};

#[tokio::test]
async fn a_store_that_is_far_behind_is_told_without_turning_work_away() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(&file).unwrap();
    let address = format!("sqlite:{}", file.display());
    let store = open(&address, Options::default()).await.unwrap();
    let early = context().now() - SignedDuration::from_hours(10 * 24);
    let audit = AuditRecord::new(early, "test", Outcome::Allowed);
    let began = store.commit(Commit { ops: Vec::new(), audit, refused: None }).await.unwrap();
    assert!(matches!(began, Committed::Done { .. }));
    store.close().await;

    let diagnostics = json!({ "diagnostics": "127.0.0.1:0" });
    let world = World::over(&address, "https://authority.example", diagnostics, &["127.0.0.0/8"]).await;
    world.is_told("store-clock: degraded: the time by which the store forgets is 10 days behind").await;
    assert_eq!(world.exchange("127.0.0.1", &[]).await.status, 200);
    world.believe_clock().await;
    assert!(world.readiness().await.contains("store-clock: ok"), "at once");
    world.end().await;
}
