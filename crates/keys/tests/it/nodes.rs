//! Several nodes on one store.

use std::sync::Arc;

use carnet_jose::Algorithm;
use carnet_keys::{KeyManager, Purpose, Stage, Timing};
use carnet_spiffe::Bundle;
use tokio_util::sync::CancellationToken;

use crate::support::{World, domain, in_stage};

const ES256: Purpose = Purpose::Jwt(Algorithm::Es256);

/// Opens them all at once, on threads of their own.
async fn open_at_once(world: &World, count: usize) -> Vec<Arc<KeyManager>> {
    let opening: Vec<_> = (0..count).map(|_| tokio::spawn(KeyManager::open(world.parts()))).collect();
    let mut managers = Vec::new();
    for manager in opening {
        managers.push(manager.await.unwrap().unwrap());
    }
    managers
}

async fn tick_at_once(managers: &[Arc<KeyManager>]) {
    let ticks: Vec<_> = managers
        .iter()
        .map(|manager| {
            let manager = Arc::clone(manager);
            tokio::spawn(async move { manager.tick().await })
        })
        .collect();
    for tick in ticks {
        tick.await.unwrap().unwrap();
    }
}

fn bundles(managers: &[Arc<KeyManager>]) -> Vec<Bundle> {
    managers.iter().map(|manager| manager.ring().bundle(&domain())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_at_once_end_with_one_key_for_each_purpose() {
    let world = World::new(&[Algorithm::Es256, Algorithm::EdDsa]).await;
    // The key file is made by one of them; each reads it again.
    let managers = open_at_once(&world, 4).await;
    let keys = managers[0].list().await.unwrap();
    assert_eq!(keys.len(), 3, "{keys:?}");
    tick_at_once(&managers).await;
    let bundles = bundles(&managers);
    assert!(bundles.iter().all(|bundle| *bundle == bundles[0]), "the same bundle with the same sequence");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_tick_at_once_end_with_one_next_key() {
    let world = World::new(&[Algorithm::Es256]).await;
    let managers = open_at_once(&world, 3).await;
    for turn in 0..8 {
        world.advance(4);
        tick_at_once(&managers).await;
        tick_at_once(&managers).await;
        let keys = managers[0].list().await.unwrap();
        assert_eq!(in_stage(&keys, ES256, Stage::Active).len(), 1, "{turn}");
        assert!(in_stage(&keys, ES256, Stage::Prepared).len() <= 1, "{turn}: {keys:?}");
        let signers: Vec<_> = managers
            .iter()
            .map(|manager| manager.ring().signer(Algorithm::Es256).unwrap().kid().map(str::to_owned))
            .collect();
        assert!(signers.iter().all(|kid| *kid == signers[0]), "{turn}");
        let bundles = bundles(&managers);
        assert!(bundles.iter().all(|bundle| *bundle == bundles[0]), "{turn}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_administrators_who_revoke_at_once_replace_the_key_once() {
    let world = World::new(&[Algorithm::Es256]).await;
    let managers = open_at_once(&world, 2).await;
    tick_at_once(&managers).await;
    let kid = managers[0].ring().signer(Algorithm::Es256).unwrap().kid().unwrap().to_owned();
    let (one, two) = tokio::join!(managers[0].revoke(&kid, "one"), managers[1].revoke(&kid, "two"));
    assert_eq!(one.unwrap().key.kid, two.unwrap().key.kid);
    let keys = managers[0].list().await.unwrap();
    assert_eq!(keys.iter().filter(|key| key.purpose == ES256).count(), 2, "the revoked one and one more: {keys:?}");
}

#[tokio::test]
async fn every_node_follows_what_one_has_done() {
    let world = World::new(&[Algorithm::Es256]).await;
    let (one, two) = (world.manager().await, world.manager().await);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn({
        let (two, shutdown) = (Arc::clone(&two), shutdown.clone());
        async move { two.run(shutdown).await }
    });
    let mut rings = two.watch();
    let rotated = one.rotate(ES256, "test", Timing::Now).await.unwrap();
    let ring = rings.wait_for(|ring| ring.signer(Algorithm::Es256).unwrap().kid() == Some(rotated.kid.as_str())).await;
    assert_eq!(ring.unwrap().sequence(), one.ring().sequence());
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn nothing_signs_that_is_not_durable() {
    let world = World::new(&[Algorithm::Es256]).await;
    let manager = world.manager().await;
    let before = manager.ring();
    world.store.close().await;
    assert!(manager.rotate(ES256, "test", Timing::Now).await.is_err());
    world.advance(13);
    assert!(manager.tick().await.is_err());
    assert!(Arc::ptr_eq(&before, &manager.ring()), "the keys stay as they were");
}
