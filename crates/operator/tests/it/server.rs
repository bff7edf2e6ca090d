//! What an API server does to an operator, and two operators to each other.

use std::time::Duration;

use crate::{
    gate::Act,
    support::{World, entries, entry},
};

async fn registered(world: &World, name: &str) {
    world.made(&entries(), entry(name)).await;
    world.condition(&format!("{}/{name}", entries()), "Ready", "True", "Registered").await;
}

#[tokio::test]
async fn what_is_forgotten_is_listed_again() {
    let world = World::new().await;
    let count = |world: &World, what: &str| world.gate.count(|_, path| path.contains(what));
    let (list, watch) = ("/registrationentries?limit", "/registrationentries?watch");
    // The first watch after the list gets nowhere, so what it asks for grows old.
    world.gate.judge(move |_, path| if path.contains(watch) { Act::Hang } else { Act::Pass });
    let operator = World::operator_with(world.config(), |timing| timing.request = Duration::from_millis(500));
    world.until("it watches", async |world| count(world, watch) > 0).await;
    let before = count(&world, list);
    world.made(&entries(), entry("two")).await;
    world.emulator.compact("prod");
    world.gate.open();
    world.condition(&format!("{}/two", entries()), "Ready", "True", "Registered").await;
    assert!(count(&world, list) > before, "the watch of an old version cannot have told of it");
    // And it is followed from there.
    registered(&world, "three").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_watch_that_is_refused_as_too_old_is_a_list() {
    let world = World::new().await;
    let mut refused = false;
    world.gate.judge(move |_, path| {
        if path.contains("/registrationentries?watch") && !refused {
            refused = true;
            return Act::Answer(410, &[]);
        }
        Act::Pass
    });
    let operator = world.operator();
    registered(&world, "one").await;
    // No watch began after the first list, so only another one could tell of this.
    registered(&world, "two").await;
    assert_eq!(world.gate.count(|_, path| path.contains("/registrationentries?limit")), 2);
    operator.stop().await;
}

#[tokio::test]
async fn a_server_that_is_started_again_is_followed_on() {
    let world = World::new().await;
    let operator = world.operator();
    registered(&world, "one").await;
    world.emulator.restart("prod");
    registered(&world, "two").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_busy_server_is_left_alone_for_as_long_as_it_says() {
    let world = World::new().await;
    let mut left = 2;
    world.gate.judge(move |method, path| {
        if method == "PATCH" && path.contains("/registrationentries/one") && left > 0 {
            left -= 1;
            return Act::Answer(429, &[("retry-after", "1")]);
        }
        Act::Pass
    });
    let operator = world.operator();
    let begun = tokio::time::Instant::now();
    registered(&world, "one").await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(world.gate.count(|method, path| method == "PATCH" && path.contains("/one?")), 3, "and not more often");
    operator.stop().await;
}

#[tokio::test]
async fn a_slow_server_costs_one_request_and_not_the_others() {
    let world = World::new().await;
    let mut hung = false;
    world.gate.judge(move |method, path| {
        if method == "PATCH" && path.contains("/registrationentries/slow") && !hung {
            hung = true;
            return Act::Hang;
        }
        Act::Pass
    });
    let operator = World::operator_with(world.config(), |timing| timing.request = Duration::from_millis(500));
    world.made(&entries(), entry("slow")).await;
    world.condition(&format!("{}/slow", entries()), "Ready", "True", "Registered").await;
    operator.stop().await;
}

#[tokio::test]
async fn a_request_that_was_done_and_not_heard_of_is_not_done_twice() {
    let world = World::new().await;
    let mut lost = false;
    world.gate.judge(move |method, path| {
        if method == "PATCH" && path.contains("/registrationentries/one?") && !lost {
            lost = true;
            return Act::DoneAndLost;
        }
        Act::Pass
    });
    let operator = World::operator_with(world.config(), |timing| timing.request = Duration::from_millis(500));
    world.made(&entries(), entry("one")).await;
    let object = world.condition(&format!("{}/one", entries()), "Ready", "True", "Registered").await;
    assert_eq!(object["metadata"]["finalizers"].as_array().unwrap().len(), 1);
    operator.stop().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let world = World::new().await;
    world.gate.judge(|_, _| Act::Answer(503, &[]));
    let operator = world.operator();
    world.made(&entries(), entry("one")).await;
    assert!(!*operator.leading.borrow());
    world.gate.open();
    world.condition(&format!("{}/one", entries()), "Ready", "True", "Registered").await;
    operator.stop().await;
}

#[tokio::test]
async fn of_two_operators_one_works_and_the_other_follows_it() {
    let world = World::new().await;
    let first = world.operator();
    first.lead().await;
    let second = world.operator();
    registered(&world, "one").await;
    assert!(!*second.leading.borrow());
    let lease = world.get("/apis/coordination.k8s.io/v1/namespaces/carnet/leases/carnet-operator").await;
    assert_eq!(lease["spec"]["leaseTransitions"], 0);
    first.stop().await;
    second.lead().await;
    registered(&world, "two").await;
    let lease = world.get("/apis/coordination.k8s.io/v1/namespaces/carnet/leases/carnet-operator").await;
    assert_eq!(lease["spec"]["leaseTransitions"], 1);
    second.stop().await;
}

#[tokio::test]
async fn the_lease_of_one_that_was_killed_runs_out() {
    let world = World::new().await;
    let first = world.operator();
    first.lead().await;
    let second = world.operator();
    first.kill().await;
    second.lead().await;
    registered(&world, "one").await;
    second.stop().await;
}

#[tokio::test]
async fn one_that_cannot_renew_stops_before_another_begins() {
    let world = World::new().await;
    let first = world.operator();
    first.lead().await;
    world.gate.judge(|_, path| if path.contains("/leases/") { Act::Hang } else { Act::Pass });
    let mut leading = first.leading.clone();
    tokio::time::timeout(Duration::from_secs(30), leading.wait_for(|leading| !leading)).await.unwrap().unwrap();
    world.gate.open();
    first.lead().await;
    first.stop().await;
}

#[tokio::test]
async fn probes_and_numbers_tell_how_it_does() {
    let world = World::new().await;
    let operator = world.operator();
    registered(&world, "one").await;
    let ask = async |path: &str| {
        let request = carnet_core::Request::get(format!("{}{path}", operator.diagnostics).parse().unwrap());
        let client = carnet_net::Client::new(carnet_net::Settings::default());
        let answer = carnet_core::HttpSend::send(&client, request).await.unwrap();
        (answer.status.as_u16(), answer.text().unwrap().to_owned())
    };
    assert_eq!(ask("/livez").await.0, 200);
    let (status, text) = ask("/readyz").await;
    assert_eq!(status, 200, "{text}");
    let (_, numbers) = ask("/metrics").await;
    for line in [
        "carnet_operator_leading 1",
        "carnet_operator_entries 1",
        "carnet_operator_reconciles_total{kind=\"RegistrationEntry\",outcome=\"ok\"}",
    ] {
        assert!(numbers.contains(line), "{line} in\n{numbers}");
    }
    operator.stop().await;
}

#[tokio::test]
async fn a_thousand_entries_are_there_in_time() {
    let world = World::new().await;
    for number in 0..1000 {
        world.made(&entries(), entry(&format!("e{number}"))).await;
    }
    let operator = world.operator();
    world.until("all of them", async |world| world.registry.entries.len() == 1000).await;
    let told = |world: &World| world.gate.count(|method, path| method == "PATCH" && path.contains("/status?"));
    world.until("and told", async |world| told(world) >= 1000).await;
    world.condition(&format!("{}/e999", entries()), "Ready", "True", "Registered").await;
    operator.stop().await;
}
