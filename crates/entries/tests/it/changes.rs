//! Making, changing and taking away entries.

use std::{collections::BTreeSet, sync::Arc};

use carnet_attest::{Registration, protocol::authority_id};
use carnet_entries::{Draft, EntryError, Filter, MAX_PAGE};
use jiff::SignedDuration;

use crate::support::*;

async fn refused(change: impl FnOnce(&mut Registration)) -> Vec<String> {
    let world = World::new().await;
    let mut bent = entry("/pay", &id("/node"), &["unix:uid:1"]);
    change(&mut bent);
    match world.entries.create(Draft::api(bent), &by()).await {
        Err(EntryError::Mistakes(mistakes)) => mistakes.into_iter().map(|mistake| mistake.field).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn accepts_a_good_entry_and_gives_it_an_id_a_time_and_a_revision() {
    let world = World::new().await;
    let created = world.create(entry("/pay", &id("/node"), &["unix:uid:1"])).await;
    assert_eq!(created.entry.id.len(), 36);
    assert_eq!(created.entry.created_at, world.context.now());
    assert_eq!(created.entry.revision, world.entries.revision());
    assert_eq!(world.entries.get(&created.entry.id), Some(Arc::clone(&created)));
    assert_eq!(world.audit().await.first(), Some(&("entry.create".to_owned(), "allowed")));
}

#[tokio::test]
async fn rejects_an_entry_without_selectors() {
    assert_eq!(refused(|entry| entry.selectors.clear()).await, ["selectors"]);
}

#[tokio::test]
async fn rejects_a_hint_of_more_than_1024_bytes() {
    assert_eq!(refused(|entry| entry.hint = "h".repeat(1025)).await, ["hint"]);
}

#[tokio::test]
async fn rejects_an_id_with_a_slash() {
    assert_eq!(refused(|entry| entry.id = "a/b".to_owned()).await, ["id"]);
}

#[tokio::test]
async fn rejects_a_life_of_no_seconds() {
    assert_eq!(refused(|entry| entry.x509_ttl = Some(0)).await, ["x509_ttl"]);
}

#[tokio::test]
async fn rejects_what_is_no_dns_name() {
    assert_eq!(refused(|entry| entry.dns_names = vec!["a..b".to_owned()]).await, ["dns_names[0]"]);
}

#[tokio::test]
async fn rejects_a_domain_without_a_bundle_and_accepts_one_with() {
    let with = |name: &str| BTreeSet::from([name.parse().unwrap()]);
    assert_eq!(refused(|entry| entry.federates_with = with("stranger.example")).await, ["federates_with"]);
    let world = World::new().await;
    let good = Registration { federates_with: with("partner.example"), ..entry("/a", &id("/n"), &["unix:uid:1"]) };
    world.create(good).await;
}

#[tokio::test]
async fn rejects_an_identity_of_another_domain() {
    let bend = |entry: &mut Registration| {
        entry.spiffe_id = "spiffe://other.example/pay".parse().unwrap();
        entry.parent_id = "spiffe://other.example/node".parse().unwrap();
    };
    assert_eq!(refused(bend).await, ["spiffe_id"]);
}

#[tokio::test]
async fn rejects_the_identity_of_an_agent() {
    let bend = |entry: &mut Registration| {
        entry.spiffe_id = "spiffe://example.org/carnet/agent/join-token/x".parse().unwrap();
    };
    assert_eq!(refused(bend).await, ["spiffe_id"]);
}

#[tokio::test]
async fn rejects_an_entry_that_has_expired() {
    let bend = |entry: &mut Registration| entry.expires_at = Some(carnet_core::test_context().now());
    assert_eq!(refused(bend).await, ["expires_at"]);
}

#[tokio::test]
async fn rejects_a_template_for_a_group_of_nodes() {
    let bend = |entry: &mut Registration| {
        entry.spiffe_id = "spiffe://example.org/group/{k8s:ns}".parse().unwrap();
        entry.parent_id = authority_id(&domain()).unwrap();
    };
    assert_eq!(refused(bend).await, ["spiffe_id"]);
}

#[tokio::test]
async fn rejects_power_for_a_template() {
    let bend = |entry: &mut Registration| {
        entry.spiffe_id = "spiffe://example.org/ns/{k8s:ns}".parse().unwrap();
        entry.admin = true;
    };
    assert_eq!(refused(bend).await, ["admin"]);
}

#[tokio::test]
async fn rejects_an_entry_of_an_authority_below_this_one() {
    assert_eq!(refused(|entry| entry.downstream = true).await, ["downstream"]);
}

#[tokio::test]
async fn rejects_a_similar_entry_and_names_the_one_that_is_there() {
    let world = World::new().await;
    let first = world.create(entry("/pay", &id("/node"), &["unix:uid:1", "unix:gid:1"])).await;
    let second = entry("/pay", &id("/node"), &["unix:gid:1", "unix:uid:1"]);
    let refused = world.entries.create(Draft::api(second), &by()).await;
    assert!(matches!(refused, Err(EntryError::Similar(existing)) if existing.entry.id == first.entry.id));
    assert_eq!(world.audit().await.first(), Some(&("entry.create".to_owned(), "refused")));
    world.create(entry("/pay", &id("/node"), &["unix:uid:1"])).await;
}

#[tokio::test]
async fn an_update_keeps_owner_and_time_and_refuses_a_revision_that_has_passed() {
    let world = World::new().await;
    let first = world.create(entry("/pay", &id("/node"), &["unix:uid:1"])).await;
    world.clock.advance(SignedDuration::from_secs(9));
    let changed = Registration { hint: "new".to_owned(), ..first.entry.as_ref().clone() };
    let second = world.entries.update(changed.clone(), Some(first.entry.revision), &by()).await.unwrap();
    assert_eq!((second.entry.hint.as_str(), second.entry.created_at), ("new", first.entry.created_at));
    let stale = world.entries.update(changed, Some(first.entry.revision), &by()).await;
    assert!(matches!(stale, Err(EntryError::Stale)));
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_cannot_be_deleted_again() {
    let world = World::new().await;
    let first = world.create(entry("/pay", &id("/node"), &["unix:uid:1"])).await;
    world.entries.delete(&first.entry.id, &by()).await.unwrap();
    assert!(world.entries.is_empty());
    assert!(matches!(world.entries.delete(&first.entry.id, &by()).await, Err(EntryError::NotFound(_))));
}

#[tokio::test]
async fn another_authority_on_the_same_store_sees_every_change() {
    let one = World::new().await;
    let other = World::new().await;
    // Only the entries matter here: the second set of them is opened on the first store.
    let second = carnet_entries::Entries::open(carnet_entries::EntriesParts {
        store: Arc::clone(&one.store),
        context: other.context.clone(),
        trust_domain: domain(),
        bundles: one.bundles.subscribe(),
    });
    let second = second.await.unwrap();
    let mut told = second.watch();
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn({
        let (second, stop) = (Arc::clone(&second), stop.clone());
        async move { second.run(stop).await }
    });
    let created = one.create(entry("/pay", &id("/node"), &["unix:uid:1"])).await;
    told.wait_for(|revision| *revision >= created.entry.revision).await.unwrap();
    assert_eq!(second.get(&created.entry.id), Some(created.clone()));
    one.entries.delete(&created.entry.id, &by()).await.unwrap();
    told.wait_for(|revision| *revision >= one.entries.revision()).await.unwrap();
    assert_eq!(second.get(&created.entry.id), None);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn an_entry_that_has_expired_is_deleted_with_an_audit_row() {
    let world = World::new().await;
    let mut short = entry("/pay", &id("/node"), &["unix:uid:1"]);
    short.expires_at = Some(world.context.now() + SignedDuration::from_secs(60));
    world.create(short).await;
    world.clock.advance(SignedDuration::from_secs(60));
    let mut told = world.entries.watch();
    told.mark_unchanged();
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn({
        let (entries, stop) = (Arc::clone(&world.entries), stop.clone());
        async move { entries.run(stop).await }
    });
    told.changed().await.unwrap();
    assert!(world.entries.is_empty());
    assert_eq!(world.audit().await.first(), Some(&("entry.expire".to_owned(), "allowed")));
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn pages_are_bounded_and_go_on_where_the_last_one_ended() {
    let world = World::new().await;
    for number in 0..5 {
        let named = Registration {
            id: format!("e{number}"),
            ..entry("/pay", &id("/node"), &[&format!("unix:uid:{number}"), "unix:gid:1"])
        };
        world.create(named).await;
    }
    let ids = |after: Option<&str>, limit: usize| -> Vec<String> {
        let page = world.entries.list(&Filter::default(), after, limit);
        page.iter().map(|owned| owned.entry.id.clone()).collect()
    };
    assert_eq!(ids(None, 2), ["e0", "e1"]);
    assert_eq!(ids(Some("e1"), 2), ["e2", "e3"]);
    assert_eq!(ids(Some("e3"), MAX_PAGE + 1), ["e4"]);
    let filter = Filter { selectors: selectors(&["unix:uid:3"]), ..Filter::default() };
    assert_eq!(world.entries.list(&filter, None, 9).len(), 1);
    let filter = Filter { parent_id: Some(id("/other")), ..Filter::default() };
    assert!(world.entries.list(&filter, None, 9).is_empty());
}
