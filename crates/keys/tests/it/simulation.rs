//! Days of use: tokens and certificates are issued all the time and verified by consumers that look for new keys rarely.

use std::sync::Arc;

use carnet_jose::{Algorithm, KeySet, Rules, SigningKey, UnverifiedJwt, encode_jwt, verify_jwt};
use carnet_keys::{KeyRing, Purpose, Timing};
use carnet_spiffe::{Bundle, BundleMap, SpiffeId, svid_profile, verify_x509_svid};
use jiff::{SignedDuration, Timestamp};
use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::TestRunner,
};
use serde_json::{Map, json};

use crate::support::{World, domain};

const AUDIENCE: &str = "consumer";
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Es256, Algorithm::EdDsa];

/// Keeps what it fetched for as long as it likes, whatever `kid` it meets.
pub(crate) struct Consumer {
    cached: Bundle,
    keys: KeySet,
    fetched: Timestamp,
    keeps: SignedDuration,
}

impl Consumer {
    pub(crate) fn new(ring: &KeyRing, now: Timestamp, keeps: SignedDuration) -> Self {
        let cached = ring.bundle(&domain());
        Self { keys: cached.jwt_key_set(), cached, fetched: now, keeps }
    }

    fn look(&mut self, ring: &KeyRing, now: Timestamp) {
        if now.duration_since(self.fetched) < self.keeps {
            return;
        }
        let next = Self::new(ring, now, self.keeps);
        assert!(next.cached.sequence >= self.cached.sequence, "the sequence never goes back");
        let same = next.cached.sequence == self.cached.sequence;
        assert!(!same || next.cached == self.cached, "what changes has another sequence");
        *self = next;
    }
}

/// Something that was issued, and when it expires.
pub(crate) struct Issued {
    token: String,
    algorithm: Algorithm,
    chain: Vec<Vec<u8>>,
    expires_at: Timestamp,
}

pub(crate) fn issue(
    ring: &KeyRing,
    leaf_key: &SigningKey,
    algorithm: Algorithm,
    now: Timestamp,
    life: SignedDuration,
) -> Issued {
    let token_end = ring.signs_until(algorithm).unwrap().min(now + life);
    let claims = Map::from_iter([
        ("aud".to_owned(), json!(AUDIENCE)),
        ("iat".to_owned(), json!(now.as_second())),
        ("exp".to_owned(), json!(token_end.as_second())),
    ]);
    let token = encode_jwt(&ring.signer(algorithm).unwrap(), &Map::new(), &claims).unwrap();
    let authority = ring.authority().unwrap();
    let end = authority.not_after.min(token_end);
    let id = SpiffeId::new(&domain(), "/workload").unwrap();
    let leaf = authority.authority.issue_for_key(&svid_profile(&id, &[], now, end), &leaf_key.public_spki()).unwrap();
    Issued { token: token.expose().to_owned(), algorithm, chain: authority.chain_of(leaf), expires_at: end }
}

pub(crate) fn verify_token(issued: &Issued, consumer: &Consumer, now: Timestamp) {
    let rules = Rules {
        issuer: None,
        audiences: Some(&[AUDIENCE]),
        algorithms: &[issued.algorithm],
        leeway: SignedDuration::from_secs(30),
        require_expiry: true,
        max_lifetime: None,
        types: &["JWT"],
    };
    let token = UnverifiedJwt::parse(&issued.token).unwrap();
    verify_jwt(&token, &consumer.keys, &rules, now).expect("a token that lives has a key that is known");
}

pub(crate) fn verify_chain(issued: &Issued, consumer: &Consumer, now: Timestamp) {
    let mut bundles = BundleMap::default();
    bundles.insert(consumer.cached.clone());
    verify_x509_svid(&issued.chain, &bundles, now).expect("a certificate that lives has a root that is known");
}

/// `forced`: an administrator rotates at these turns, waiting for consumers.
async fn walk(steps: Vec<i64>, keeps: [i64; 3], forced: &[usize]) {
    let mut world = World::new(&ALGORITHMS).await;
    world.settings.max_published = 20;
    let nodes = [world.manager().await, world.manager().await];
    let keeps = keeps.map(SignedDuration::from_secs);
    let mut consumers: Vec<Consumer> =
        keeps.iter().map(|keeps| Consumer::new(&nodes[0].ring(), world.now(), *keeps)).collect();
    let leaf_key = SigningKey::generate(Algorithm::Es256).unwrap();
    let mut alive: Vec<Issued> = Vec::new();
    let mut signers = std::collections::BTreeSet::new();
    for (turn, (step, shorter)) in steps.into_iter().zip((0..7).cycle()).enumerate() {
        world.clock.advance(SignedDuration::from_secs(step));
        let now = world.now();
        // The nodes take turns in being late.
        let node = &nodes[turn % 2];
        world.store.prune(now).await.unwrap();
        node.tick().await.unwrap();
        if forced.contains(&turn) {
            let purpose = if turn % 2 == 0 { Purpose::X509 } else { Purpose::Jwt(Algorithm::Es256) };
            node.rotate(purpose, "test", Timing::AfterPropagation).await.unwrap();
        }
        let ring: Arc<KeyRing> = node.ring();
        for algorithm in ALGORITHMS {
            signers.insert(ring.signer(algorithm).unwrap().kid().unwrap().to_owned());
            alive.push(issue(&ring, &leaf_key, algorithm, now, SignedDuration::from_mins(240 - shorter * 30)));
        }
        alive.retain(|issued| now < issued.expires_at);
        for consumer in &mut consumers {
            consumer.look(&ring, now);
            // The youngest may be of a key that is not known yet, the oldest of one that is forgotten.
            let (youngest, oldest) = (alive.iter().rev().take(ALGORITHMS.len()), alive.iter().take(ALGORITHMS.len()));
            for issued in youngest.chain(oldest).chain(alive.get(turn % alive.len())) {
                verify_token(issued, consumer, now);
            }
        }
        // The one that looks most rarely knows least.
        if let [.., consumer] = consumers.as_slice() {
            for issued in alive.first().into_iter().chain(alive.last()) {
                verify_chain(issued, consumer, now);
            }
        }
    }
    assert!(signers.len() >= 4, "it rotated: {signers:?}");
}

#[tokio::test]
async fn nothing_fails_to_verify_while_keys_rotate_for_days() {
    // Consumers look every minute, every eleven, and as rarely as they may.
    walk(vec![7 * 60; 2 * 24 * 60 / 7], [60, 660, 1500], &[]).await;
}

#[tokio::test]
async fn nothing_fails_to_verify_while_an_administrator_forces_rotations() {
    walk(vec![6 * 60; 32 * 60 / 6], [60, 660, 1500], &[20, 61, 150, 193]).await;
}

#[tokio::test]
async fn nothing_fails_to_verify_whatever_the_distance_of_the_ticks() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..3 {
        let steps = proptest::collection::vec(1_i64..900, 220..260).new_tree(&mut runner).unwrap().current();
        walk(steps, [60, 660, 1500], &[]).await;
    }
}
