//! A clock that is wrong for a while: what was signed before verifies after it, and rotation goes on.

use std::{collections::BTreeSet, sync::Arc};

use carnet_core::{Context, FixedClock};
use carnet_jose::{Algorithm, SigningKey};
use carnet_keys::{KeyManager, KeyParts};
use carnet_spiffe::Bundle;
use jiff::SignedDuration;

use crate::{
    simulation::{Consumer, Issued, issue, verify_chain, verify_token},
    support::{World, domain},
};

const TICK: SignedDuration = SignedDuration::from_mins(5);
const LONG: SignedDuration = SignedDuration::from_hours(1);

/// As the authority does every five minutes.
async fn live(world: &World, manager: &KeyManager, hours: i64) {
    for _ in 0..hours * 12 {
        world.clock.advance(TICK);
        world.store.prune(world.now()).await.unwrap();
        manager.tick().await.unwrap();
    }
}

fn issued(world: &World, manager: &KeyManager) -> Issued {
    let leaf_key = SigningKey::generate(Algorithm::Es256).unwrap();
    issue(&manager.ring(), &leaf_key, Algorithm::Es256, world.now(), LONG)
}

fn bundle(manager: &KeyManager) -> Bundle {
    manager.ring().bundle(&domain())
}

/// Everything that this bundle has is in that one.
fn has_all(after: &Bundle, before: &Bundle) {
    let lost: Vec<&String> =
        before.jwt_authorities.keys().filter(|kid| !after.jwt_authorities.contains_key(*kid)).collect();
    assert!(lost.is_empty(), "keys are gone: {lost:?}");
    assert!(before.x509_authorities.iter().all(|root| after.x509_authorities.contains(root)), "a root is gone");
}

fn verifies(world: &World, manager: &KeyManager, issued: &Issued) {
    let consumer = Consumer::new(&manager.ring(), world.now(), SignedDuration::ZERO);
    verify_token(issued, &consumer, world.now());
    verify_chain(issued, &consumer, world.now());
}

/// Three days on, with keys that follow one another and leave.
async fn goes_on(world: &World, manager: &KeyManager) {
    let mut signers = BTreeSet::new();
    for _ in 0..12 {
        live(world, manager, 6).await;
        verifies(world, manager, &issued(world, manager));
        signers.insert(manager.ring().signer(Algorithm::Es256).unwrap().kid().unwrap().to_owned());
    }
    assert!(signers.len() >= 4, "it rotates: {signers:?}");
    let bundle = bundle(manager);
    assert!(bundle.jwt_authorities.len() <= 3 && bundle.x509_authorities.len() <= 3, "{bundle:?}");
}

#[tokio::test]
async fn nothing_is_forgotten_while_the_clock_is_ahead_for_half_a_minute() {
    for hours_before in [1, 23] {
        let world = World::new(&[Algorithm::Es256]).await;
        let manager = world.manager().await;
        live(&world, &manager, hours_before).await;
        let (before, issued) = (bundle(&manager), issued(&world, &manager));
        let ahead = SignedDuration::from_hours(36);
        world.clock.advance(ahead);
        // Started anew, as after a host was set up wrongly, and one look of the store at that clock.
        let again = world.manager().await;
        world.store.prune(world.now()).await.unwrap();
        for manager in [&again, &manager].into_iter().cycle().take(35) {
            world.clock.advance(SignedDuration::from_secs(1));
            manager.tick().await.unwrap();
        }
        has_all(&bundle(&manager), &before);
        world.clock.advance(-ahead);
        manager.tick().await.unwrap();
        has_all(&bundle(&manager), &before);
        verifies(&world, &manager, &issued);
        goes_on(&world, &manager).await;
    }
}

#[tokio::test]
async fn one_node_whose_clock_is_wrong_does_not_forget_for_the_others() {
    for wrong in [36, -36] {
        let world = World::new(&[Algorithm::Es256]).await;
        let manager = world.manager().await;
        live(&world, &manager, 15).await;
        let (before, issued) = (bundle(&manager), issued(&world, &manager));
        let clock = Arc::new(FixedClock::at(world.now() + SignedDuration::from_hours(wrong)));
        let context = Context { clock: Arc::<FixedClock>::clone(&clock), ..world.context.clone() };
        let other = KeyManager::open(KeyParts { context: context.clone(), ..world.parts() }).await.unwrap();
        for turn in 0..40 {
            if turn % 10 == 0 {
                world.store.prune(context.now()).await.unwrap();
                world.store.prune(world.now()).await.unwrap();
            }
            other.tick().await.unwrap();
            manager.tick().await.unwrap();
            has_all(&bundle(&manager), &before);
        }
        verifies(&world, &manager, &issued);
        goes_on(&world, &manager).await;
    }
}
