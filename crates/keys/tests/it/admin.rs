//! What an administrator asks for.

use std::sync::Arc;

use carnet_core::{ErrorKind, Secret};
use carnet_jose::Algorithm;
use carnet_keys::{Cost, KeyFile, KeyManager, KeyParts, KeySettings, Passphrase, Purpose, Stage, Timing};
use carnet_store::{AuditFilter, ObjectKind};
use jiff::SignedDuration;

use crate::support::{World, domain, in_stage};

const ES256: Purpose = Purpose::Jwt(Algorithm::Es256);

#[tokio::test]
async fn a_forced_rotation_waits_until_consumers_know_the_key() {
    let world = World::new(&[Algorithm::Es256]).await;
    let manager = world.manager().await;
    let first = manager.ring().signer(Algorithm::Es256).unwrap();
    let rotated = manager.rotate(ES256, "test", Timing::AfterPropagation).await.unwrap();
    assert_eq!(rotated.activates_at, world.now() + world.settings.propagation);
    assert!(manager.ring().published().iter().any(|key| key.kid == rotated.kid), "published at once");
    assert_eq!(
        manager.rotate(ES256, "test", Timing::AfterPropagation).await.unwrap(),
        rotated,
        "it is on its way already"
    );
    world.clock.advance(world.settings.propagation - SignedDuration::from_secs(1));
    manager.tick().await.unwrap();
    assert_eq!(manager.ring().signer(Algorithm::Es256).unwrap().kid(), first.kid());
    world.clock.advance(SignedDuration::from_secs(1));
    manager.tick().await.unwrap();
    assert_eq!(manager.ring().signer(Algorithm::Es256).unwrap().kid(), Some(rotated.kid.as_str()));
}

#[tokio::test]
async fn a_forced_rotation_now_does_not_wait_and_takes_the_key_that_is_prepared() {
    let world = World::new(&[Algorithm::Es256]).await;
    let manager = world.manager().await;
    let rotated = manager.rotate(ES256, "test", Timing::Now).await.unwrap();
    assert_eq!(manager.ring().signer(Algorithm::Es256).unwrap().kid(), Some(rotated.kid.as_str()));
    world.advance(13);
    manager.tick().await.unwrap();
    let prepared = in_stage(&manager.list().await.unwrap(), ES256, Stage::Prepared)[0].kid.clone();
    assert_eq!(manager.rotate(ES256, "test", Timing::Now).await.unwrap().kid, prepared);
    let authority = manager.ring().authority().unwrap().kid.clone();
    manager.rotate(Purpose::X509, "test", Timing::Now).await.unwrap();
    assert_ne!(manager.ring().authority().unwrap().kid, authority);
    assert!(manager.ring().x509_roots().len() >= 2, "what the old authority has signed still verifies");
}

#[tokio::test]
async fn rejects_a_forced_rotation_when_as_many_are_published_as_may_be() {
    let world = World::new(&[Algorithm::Es256]).await;
    let manager = world.manager().await;
    let mut outcomes = Vec::new();
    for _ in 0..12 {
        outcomes.push(manager.rotate(ES256, "test", Timing::Now).await);
    }
    let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 12 - 8, "ten, less the one that was there and the one that the schedule needs");
    assert_eq!(refused[0].kind(), ErrorKind::Policy);
    assert!(manager.ring().published().len() <= world.settings.max_published);
}

#[tokio::test]
async fn rejects_a_rotation_of_what_is_not_configured() {
    let world = World::new(&[Algorithm::Es256]).await;
    let error = world.manager().await.rotate(Purpose::Jwt(Algorithm::Rs256), "test", Timing::Now).await.unwrap_err();
    assert_eq!(error.to_string(), "there are no keys for jwt:RS256");
}

#[tokio::test]
async fn a_revoked_key_leaves_the_bundle_and_is_replaced_in_one_commit() {
    let world = World::new(&[Algorithm::Es256]).await;
    let manager = world.manager().await;
    let before = manager.ring();
    let kid = before.signer(Algorithm::Es256).unwrap().kid().unwrap().to_owned();
    world.advance(1);
    let head = world.store.audit_head().await.unwrap().seq;
    let withdrawn = manager.revoke(&kid, "alice").await.unwrap();
    assert_eq!(world.store.audit_head().await.unwrap().seq, head + 1);
    assert_eq!(withdrawn.signed, Some((world.now() - SignedDuration::from_hours(1), world.now())));
    assert_eq!(withdrawn.alive_until, before.signs_until(Algorithm::Es256));
    assert_eq!(withdrawn.key.revoked_at, Some(world.now()));
    let after = manager.ring();
    assert!(after.published().iter().all(|key| key.kid != kid));
    assert!(after.sequence() > before.sequence());
    assert_ne!(after.signer(Algorithm::Es256).unwrap().kid(), Some(kid.as_str()));
    let filter = AuditFilter { action: Some("key.revoke".to_owned()), ..AuditFilter::default() };
    let rows = world.store.audit(0, 10, filter).await.unwrap();
    assert_eq!(
        (rows[0].record.actor.as_str(), rows[0].record.details["withdrawn"].as_str()),
        ("alice", Some(kid.as_str()))
    );
    assert_eq!(manager.revoke(&kid, "alice").await.unwrap().key.revoked_at, Some(world.now()), "twice is once");
    let error = manager.revoke("unknown", "alice").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no key \"unknown\"");
}

#[tokio::test]
async fn a_revoked_key_keeps_nothing_of_its_private_half() {
    let world = World::new(&[Algorithm::Es256]).await;
    let manager = world.manager().await;
    let kid = manager.ring().signer(Algorithm::Es256).unwrap().kid().unwrap().to_owned();
    manager.revoke(&kid, "test").await.unwrap();
    let rows = world.store.keys().await.unwrap();
    assert!(rows.iter().find(|row| row.kid == kid).unwrap().sealed.is_empty());
}

#[tokio::test]
async fn a_tainted_authority_signs_no_more_and_is_told_of_until_it_is_revoked() {
    let world = World::new(&[Algorithm::Es256]).await;
    let manager = world.manager().await;
    let before = manager.ring();
    let tainted = before.authority().unwrap();
    manager.taint(&tainted.kid, "test").await.unwrap();
    let ring = manager.ring();
    assert_ne!(ring.authority().unwrap().kid, tainted.kid);
    assert_eq!(ring.tainted(), [tainted.authority.certificate().to_vec()]);
    assert_eq!(ring.x509_roots().len(), 2, "what it has signed verifies until it is replaced");
    manager.revoke(&tainted.kid, "test").await.unwrap();
    assert_eq!(manager.ring().x509_roots(), [manager.ring().authority().unwrap().authority.certificate().to_vec()]);
    assert_eq!(manager.ring().tainted(), [tainted.authority.certificate().to_vec()], "holders are told on");
    world.advance(26);
    world.believe().await;
    manager.tick().await.unwrap();
    assert!(manager.ring().tainted().is_empty(), "all that it has signed has expired");
    let token_key = manager.ring().signer(Algorithm::Es256).unwrap().kid().unwrap().to_owned();
    let error = manager.taint(&token_key, "test").await.unwrap_err();
    assert!(error.to_string().ends_with("signs tokens, and only certificate authorities are tainted"), "{error}");
}

#[tokio::test]
async fn rewrapped_keys_open_with_the_new_sealer_only() {
    let world = World::new(&[Algorithm::Es256]).await;
    let manager = world.manager().await;
    let before = manager.ring().signer(Algorithm::Es256).unwrap();
    let cost = Cost { memory: 64, rounds: 1, lanes: 1 };
    let secret = Secret::new("correct horse battery staple");
    let passphrase = Arc::new(Passphrase::open(&*world.store, &world.context, &secret, cost).await.unwrap());
    assert_eq!(manager.rewrap(Arc::<Passphrase>::clone(&passphrase), "test").await.unwrap(), 2);
    let reopened = KeyManager::open(KeyParts { sealer: passphrase, ..world.parts() }).await.unwrap();
    assert_eq!(reopened.ring().signer(Algorithm::Es256).unwrap().public_spki(), before.public_spki());
    let error = KeyManager::open(world.parts()).await.unwrap_err();
    assert!(error.to_string().contains("cannot be used with the key file"), "{error}");
    // Keys that are made from now on are sealed with it, too.
    manager.rotate(ES256, "test", Timing::Now).await.unwrap();
    assert!(reopened.tick().await.unwrap());
}

#[tokio::test]
async fn a_wrong_sealer_is_an_error_and_nothing_is_made_anew() {
    let world = World::new(&[Algorithm::Es256]).await;
    world.manager().await;
    let (rows, head) = (world.store.keys().await.unwrap(), world.store.audit_head().await.unwrap());
    // Late enough that a next key would be made.
    world.advance(13);
    let other = Arc::new(KeyFile::new(&world.context, "/elsewhere/seal.key", true).unwrap());
    for _ in 0..2 {
        let sealer = Arc::<KeyFile>::clone(&other);
        let error = KeyManager::open(KeyParts { sealer, ..world.parts() }).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("cannot be used with the key file /elsewhere/seal.key"), "{error}");
        assert!(!error.hints().is_empty());
    }
    assert_eq!((world.store.keys().await.unwrap(), world.store.audit_head().await.unwrap()), (rows, head));
}

#[tokio::test]
async fn a_store_whose_sealing_key_is_lost_begins_anew_when_all_keys_are_revoked() {
    let world = World::new(&[Algorithm::Es256]).await;
    let before = world.manager().await.ring();
    let other = Arc::new(KeyFile::new(&world.context, "/elsewhere/seal.key", true).unwrap());
    assert_eq!(KeyManager::revoke_all(&*world.store, &world.context, "test").await.unwrap(), 2);
    let manager = KeyManager::open(KeyParts { sealer: other, ..world.parts() }).await.unwrap();
    assert!(manager.ring().sequence() > before.sequence());
    let kid = before.signer(Algorithm::Es256).unwrap().kid().unwrap().to_owned();
    assert!(manager.ring().published().iter().all(|key| key.kid != kid));
    assert!(manager.ring().signer(Algorithm::Es256).is_some() && manager.ring().authority().is_some());
}

#[tokio::test]
async fn a_sealed_key_that_is_put_into_another_row_is_refused() {
    let world = World::new(&[Algorithm::Es256, Algorithm::EdDsa]).await;
    world.manager().await;
    let rows = world.store.keys().await.unwrap();
    let tokens: Vec<_> = rows.iter().filter(|row| row.purpose == "jwt").collect();
    let swapped = carnet_store::KeyRow { sealed: tokens[1].sealed.clone(), ..tokens[0].clone() };
    let commit = carnet_store::Commit {
        ops: vec![carnet_store::Op::UpdateKey { row: swapped, expect: tokens[0].revision }],
        audit: carnet_store::AuditRecord::new(world.now(), "test", carnet_store::Outcome::Allowed),
        refused: None,
    };
    assert!(matches!(world.store.commit(commit).await.unwrap(), carnet_store::Committed::Done { .. }));
    let error = KeyManager::open(world.parts()).await.unwrap_err();
    assert!(carnet_core::chain(&error)[1].contains("was changed, or belongs to another key"), "{error:?}");
}

#[tokio::test]
async fn settings_with_mistakes_are_refused_with_all_of_them() {
    let world = World::new(&[Algorithm::Es256]).await;
    let settings = KeySettings {
        algorithms: vec![Algorithm::Es512, Algorithm::Es256, Algorithm::Es256],
        x509_algorithm: Some(Algorithm::EdDsa),
        lifetime: SignedDuration::from_mins(5),
        propagation: SignedDuration::from_mins(5),
        max_published: 2,
        ca_subject: Vec::new(),
        refresh_hint: SignedDuration::ZERO,
        ..KeySettings::new(domain(), Vec::new())
    };
    let mistakes = settings.check().unwrap_err();
    let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "algorithms",
            "algorithms",
            "x509_algorithm",
            "ca_subject",
            "lifetime",
            "propagation",
            "refresh_hint",
            "max_published"
        ]
    );
    assert!(KeyManager::open(KeyParts { settings, ..world.parts() }).await.is_err());
    assert!(world.store.object(ObjectKind::Setting, "keys.bundle".to_owned()).await.unwrap().is_none());
}
