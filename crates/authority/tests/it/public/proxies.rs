//! Who calls behind a proxy that is trusted, and who only says so.

use serde_json::json;

use super::world::World;

/// The proxy that is configured, and somebody else on the same network.
const PROXY: &str = "127.0.0.1";
const STRANGER: &str = "127.0.0.2";
/// A caller whom the rule takes, and one whom it does not.
const INSIDE: &str = "192.0.2.7";
const OUTSIDE: &str = "198.51.100.9";

async fn world() -> World {
    World::new(json!({ "trusted_proxies": [PROXY, "10.0.0.0/8"] }), &["192.0.2.0/24"]).await
}

/// The exchange is allowed, and the audit log has the caller.
async fn accepted(world: &World, forwarded: &[&str]) {
    let answer = world.exchange(PROXY, forwarded).await;
    assert_eq!(answer.status, 200, "{forwarded:?}: {answer:?}");
    let row = world.last().await;
    assert_eq!((&row["action"], &row["outcome"]), (&json!("token.exchange"), &json!("allowed")), "{row}");
    assert_eq!(row["peer"], INSIDE, "{forwarded:?}: {row}");
}

/// It is refused for where it comes from, and the audit log has who was seen.
async fn refused(world: &World, from: &str, forwarded: &[&str], peer: &str) {
    let answer = world.exchange(from, forwarded).await;
    assert_eq!(answer.status, 400, "{forwarded:?}: {answer:?}");
    assert!(!answer.body.contains("access_token"), "{answer:?}");
    let row = world.last().await;
    assert_eq!((&row["outcome"], &row["clause"]), (&json!("refused"), &json!("network")), "{forwarded:?}: {row}");
    let seen = row["peer"].as_str().unwrap();
    // Who came straight is named with a port, which the system chose.
    assert_eq!(seen.strip_prefix(peer).map(|rest| rest.is_empty() || rest.starts_with(':')), Some(true), "{row}");
}

#[tokio::test]
async fn accepts_a_caller_on_the_network_of_the_rule_behind_the_proxy() {
    let world = world().await;
    accepted(&world, &[INSIDE]).await;
    accepted(&world, &["192.0.2.7:50123"]).await;
    accepted(&world, &["::ffff:192.0.2.7"]).await;
    // Through a second proxy, in one list and in two lines.
    accepted(&world, &["192.0.2.7, 10.1.2.3"]).await;
    accepted(&world, &[INSIDE, "10.1.2.3"]).await;
    // What the caller has written itself counts for nothing.
    accepted(&world, &["198.51.100.9, 192.0.2.7"]).await;
    world.end().await;
}

#[tokio::test]
async fn rejects_another_address_behind_the_proxy() {
    let world = world().await;
    refused(&world, PROXY, &[OUTSIDE], OUTSIDE).await;
    // It names one whom the rule takes before its own address.
    refused(&world, PROXY, &["192.0.2.7, 198.51.100.9"], OUTSIDE).await;
    refused(&world, PROXY, &[INSIDE, OUTSIDE], OUTSIDE).await;
    world.end().await;
}

#[tokio::test]
async fn rejects_what_a_stranger_says_of_itself() {
    let world = world().await;
    refused(&world, STRANGER, &[INSIDE], STRANGER).await;
    refused(&world, STRANGER, &["192.0.2.7, 10.1.2.3"], STRANGER).await;
    world.end().await;
}

#[tokio::test]
async fn nobody_is_believed_where_no_proxy_is_configured() {
    let world = World::new(json!({}), &["192.0.2.0/24"]).await;
    refused(&world, PROXY, &[INSIDE], PROXY).await;
    world.end().await;
}

#[tokio::test]
async fn rejects_lists_that_do_not_end_with_an_address() {
    let world = world().await;
    for list in ["", "unknown", "_hidden", "192.0.2.7,", "192.0.2.7, unknown", "192.0.2.7 192.0.2.8", "192.0.2.0/24"] {
        refused(&world, PROXY, &[list], "proxy:127.0.0.1").await;
    }
    refused(&world, PROXY, &[], "proxy:127.0.0.1").await;
    // It was a trusted proxy that did not know whom it forwarded for.
    refused(&world, PROXY, &["192.0.2.7, unknown, 10.1.2.3"], "proxy:10.1.2.3").await;
    world.end().await;
}

#[tokio::test]
async fn a_rule_without_networks_takes_callers_whom_nobody_names() {
    let world = World::new(json!({ "trusted_proxies": [PROXY] }), &[]).await;
    assert_eq!(world.exchange(PROXY, &["unknown"]).await.status, 200);
    assert_eq!(world.last().await["peer"], "proxy:127.0.0.1");
    world.end().await;
}
