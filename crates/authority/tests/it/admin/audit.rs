//! The audit log from its end.

use super::world::{Answer, World, entry};

fn places(answer: &Answer) -> Vec<u64> {
    answer.body["items"].as_array().unwrap().iter().map(|row| row["seq"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn the_newest_rows_come_first_if_wanted() {
    let world = World::new().await;
    for path in ["/a", "/b", "/c"] {
        assert_eq!(world.post("/v1/entries", entry(path)).await.status, 201);
    }
    let head = world.last().await.seq;
    let first = world.get("/v1/audit?order=newest&limit=2").await;
    assert_eq!(places(&first), [head, head - 1]);
    let next = first.body["next"].as_str().unwrap();
    assert_eq!(next, (head - 1).to_string());
    let rest = world.get(&format!("/v1/audit?order=newest&after={next}")).await;
    assert_eq!(places(&rest), (1..head - 1).rev().collect::<Vec<_>>());
    let made = world.get("/v1/audit?order=newest&action=entry.create&limit=1").await;
    assert_eq!(places(&made), [head]);
    assert_eq!(places(&world.get("/v1/audit?order=oldest&limit=1").await), [1]);
    for wrong in [
        "/v1/audit?order=latest",
        "/v1/audit/export?order=newest",
        "/v1/audit/export?after=18446744073709551615",
        "/v1/audit?after=18446744073709551615",
    ] {
        assert_eq!(world.get(wrong).await.code(), "invalid", "{wrong}");
    }
}
