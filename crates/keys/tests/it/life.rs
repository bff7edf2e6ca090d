//! Keys from their making to their end.

use std::sync::Arc;

use carnet_core::{BoxFuture, Error, SecretBytes};
use carnet_jose::{Algorithm, SigningKey};
use carnet_keys::{Backend, Generated, KeyManager, KeyParts, KeyView, Purpose, Software, Stage};

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
    world.advance(5);
    world.believe().await;
    manager.tick().await.unwrap();
    let is_there = |keys: Vec<KeyView>| keys.iter().any(|key| Some(key.kid.as_str()) == first.kid());
    assert!(is_there(manager.list().await.unwrap()), "for another hour and five minutes");
    world.clock.advance(jiff::SignedDuration::from_mins(5));
    manager.tick().await.unwrap();
    assert!(is_there(manager.list().await.unwrap()), "as long as the store does not believe it");
    world.believe().await;
    manager.tick().await.unwrap();
    assert!(!is_there(manager.list().await.unwrap()));
}

#[tokio::test]
async fn a_key_that_cannot_be_replaced_is_revoked_all_the_same() {
    let world = World::new(&[Algorithm::Es256]).await;
    world.manager().await;
    let manager = KeyManager::open(KeyParts { backend: Arc::new(BrokenBackend), ..world.parts() }).await.unwrap();
    let kid = manager.ring().signer(Algorithm::Es256).unwrap().kid().unwrap().to_owned();
    let error = manager.revoke(&kid, "test").await.unwrap_err();
    assert_eq!(error.to_string(), format!("the key {kid} is withdrawn, and no other could take its place"));
    assert!(manager.ring().published().is_empty());
    assert!(manager.ring().signer(Algorithm::Es256).is_none(), "nothing signs");
    assert!(manager.ring().authority().is_some(), "the other purposes go on");
    assert!(world.manager().await.ring().signer(Algorithm::Es256).is_some());
}

/// A token that finds keys and makes none.
#[derive(Debug)]
struct BrokenBackend;

impl Backend for BrokenBackend {
    fn name(&self) -> &'static str {
        Software.name()
    }

    fn generate<'a>(&'a self, _: &'a str, _: Algorithm) -> BoxFuture<'a, Result<Generated, Error>> {
        Box::pin(async { Err(Error::unreachable("the token is full")) })
    }

    fn load<'a>(
        &'a self,
        kid: &'a str,
        algorithm: Algorithm,
        material: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<SigningKey, Error>> {
        Software.load(kid, algorithm, material)
    }

    fn destroy<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Err(Error::unreachable("the token does not answer")) })
    }
}
