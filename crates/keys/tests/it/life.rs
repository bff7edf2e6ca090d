//! Keys from their making to their end.

use carnet_jose::Algorithm;
use carnet_keys::{Purpose, Stage};

use crate::support::{World, domain, in_stage};

#[tokio::test]
async fn the_first_start_makes_keys_that_sign_at_once() {
    let world = World::new(&[Algorithm::Es256, Algorithm::Rs256]).await;
    let manager = world.manager().await;
    let ring = manager.ring();
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let signer = ring.signer(algorithm).unwrap();
        assert_eq!(signer.algorithm(), algorithm);
        assert!(ring.published().iter().any(|key| Some(key.kid.as_str()) == signer.kid()));
        assert_eq!(ring.signs_until(algorithm), Some(world.now() + world.settings.lifetime));
    }
    let bundle = ring.bundle(&domain());
    assert_eq!((bundle.jwt_authorities.len(), bundle.x509_authorities.len()), (2, 1));
    assert_eq!(bundle.sequence, Some(ring.sequence()));
    assert!(!manager.tick().await.unwrap(), "there is nothing left to do");
}

#[tokio::test]
async fn the_next_key_is_published_at_half_and_signs_at_five_sixths() {
    let world = World::new(&[Algorithm::Es256]).await;
    let manager = world.manager().await;
    let purpose = Purpose::Jwt(Algorithm::Es256);
    let first = manager.ring().signer(Algorithm::Es256).unwrap();
    world.advance(11);
    assert!(!manager.tick().await.unwrap());
    world.advance(1);
    assert!(manager.tick().await.unwrap());
    let keys = manager.list().await.unwrap();
    let next = in_stage(&keys, purpose, Stage::Prepared)[0].kid.clone();
    assert_eq!(manager.ring().signer(Algorithm::Es256).unwrap().kid(), first.kid(), "the first one signs on");
    world.advance(8);
    assert!(manager.tick().await.unwrap());
    assert_eq!(manager.ring().signer(Algorithm::Es256).unwrap().kid(), Some(next.as_str()));
    assert_eq!(manager.ring().published().len(), 2, "what the first has signed still verifies");
    world.advance(4);
    manager.tick().await.unwrap();
    world.clock.advance(jiff::SignedDuration::from_mins(5));
    manager.tick().await.unwrap();
    assert!(manager.list().await.unwrap().iter().all(|key| Some(key.kid.as_str()) != first.kid()));
}
