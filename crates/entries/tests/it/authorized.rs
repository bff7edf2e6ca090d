//! Which entries an agent serves.

use std::sync::Arc;

use carnet_attest::{Registration, protocol::authority_id};
use carnet_spiffe::SpiffeId;
use jiff::SignedDuration;

use crate::support::*;

fn named(name: &str, path: &str, parent: &SpiffeId) -> Registration {
    Registration { id: name.to_owned(), ..entry(path, parent, &["unix:uid:1"]) }
}

fn authorized(world: &World, agent: &SpiffeId, with: &[&str]) -> Vec<String> {
    let entries = world.entries.authorized(agent, &selectors(with));
    entries.iter().map(|entry| entry.id.clone()).collect()
}

#[tokio::test]
async fn an_agent_serves_its_own_children_and_nobody_elses() {
    let world = World::new().await;
    let (one, two) = (id("/carnet/agent/join-token/one"), id("/carnet/agent/join-token/two"));
    world.create(named("a", "/a", &one)).await;
    world.create(named("b", "/b", &two)).await;
    assert_eq!(authorized(&world, &one, &[]), ["a"]);
    assert_eq!(authorized(&world, &two, &[]), ["b"]);
    assert!(authorized(&world, &id("/carnet/agent/join-token/three"), &[]).is_empty());
}

#[tokio::test]
async fn an_agent_serves_the_groups_that_all_selectors_put_it_in() {
    let world = World::new().await;
    let group = Registration {
        id: "group".to_owned(),
        ..entry("/group/eu", &authority_id(&domain()).unwrap(), &["oci:region:eu", "oci:tenancy:t"])
    };
    world.create(group).await;
    world.create(named("a", "/a", &id("/group/eu"))).await;
    let agent = id("/carnet/agent/oci/t/i");
    assert_eq!(authorized(&world, &agent, &["oci:region:eu", "oci:tenancy:t", "oci:instance:i"]), ["a"]);
    assert!(authorized(&world, &agent, &["oci:region:eu"]).is_empty(), "one selector is missing");
    assert!(authorized(&world, &agent, &[]).is_empty());
    world.entries.delete("group", &by()).await.unwrap();
    assert!(authorized(&world, &agent, &["oci:region:eu", "oci:tenancy:t"]).is_empty());
}

#[tokio::test]
async fn children_of_children_are_served_and_circles_come_to_an_end() {
    let world = World::new().await;
    let agent = id("/carnet/agent/join-token/one");
    world.create(named("a", "/a", &agent)).await;
    world.create(named("b", "/b", &id("/a"))).await;
    world.create(named("c", "/a", &id("/b"))).await;
    world.create(named("d", "/d", &id("/d"))).await;
    assert_eq!(authorized(&world, &agent, &[]), ["a", "b", "c"]);
}

#[tokio::test]
async fn expired_entries_and_groups_are_not_served_before_anybody_deletes_them() {
    let world = World::new().await;
    let agent = id("/carnet/agent/join-token/one");
    let end = Some(world.context.now() + SignedDuration::from_secs(60));
    world.create(Registration { expires_at: end, ..named("a", "/a", &agent) }).await;
    world.create(named("b", "/b", &id("/a"))).await;
    assert_eq!(authorized(&world, &agent, &[]), ["a", "b"]);
    world.clock.advance(SignedDuration::from_secs(60));
    assert!(authorized(&world, &agent, &[]).is_empty());
}

#[tokio::test]
async fn an_entry_that_moves_to_another_parent_moves() {
    let world = World::new().await;
    let (one, two) = (id("/carnet/agent/join-token/one"), id("/carnet/agent/join-token/two"));
    let created = world.create(named("a", "/a", &one)).await;
    let moved = Registration { parent_id: two.clone(), ..created.entry.as_ref().clone() };
    world.entries.update(moved, None, &by()).await.unwrap();
    assert!(authorized(&world, &one, &[]).is_empty());
    assert_eq!(authorized(&world, &two, &[]), ["a"]);
    let entry = world.entries.authorized_entry(&two, &selectors(&[]), "a");
    assert_eq!(entry.map(|entry| entry.id.clone()), Some("a".to_owned()));
    assert!(world.entries.authorized_entry(&one, &selectors(&[]), "a").is_none());
    assert_eq!(Arc::strong_count(&created), 1, "the old one is not kept");
}
