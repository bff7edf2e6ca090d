use std::sync::atomic::Ordering;

use carnet_core::{ErrorKind, FixedClock, test_context};

use super::*;
use crate::{
    Algorithm, JwkSet, SigningKey,
    testing::{FakeHttp, now},
};

const JWKS: &str = "https://issuer.example/jwks";

struct World {
    cache: CachedKeySets,
    clock: Arc<FixedClock>,
    http: Arc<FakeHttp>,
}

fn source() -> KeySource {
    KeySource::Url(JWKS.parse().unwrap(), Destination::Untrusted)
}

fn jwks(kid: &str) -> String {
    let jwk = SigningKey::generate(Algorithm::Es256).unwrap().with_kid(kid).public_jwk();
    serde_json::to_string(&JwkSet { keys: vec![jwk] }).unwrap()
}

fn world() -> World {
    let (clock, http) = (Arc::new(FixedClock::at(now())), Arc::new(FakeHttp::default()));
    http.answer(JWKS, 200, "application/json", jwks("one"));
    let context = Context { clock: clock.clone(), http: http.clone(), ..test_context() };
    World { cache: CachedKeySets::new(context, CacheLimits::default()), clock, http }
}

impl World {
    async fn keys(&self, kid: &str) -> Result<Arc<KeySet>, Error> {
        self.cache.keys("https://issuer.example", &source(), Some(kid)).await
    }
}

fn knows(keys: &KeySet, kid: &str) -> bool {
    keys.candidates(Some(kid)).next().is_some()
}

#[tokio::test]
async fn keys_are_fetched_once_and_kept() {
    let world = world();
    for _ in 0..5 {
        assert!(knows(&world.keys("one").await.unwrap(), "one"));
    }
    assert_eq!(world.http.count(), 1);
}

#[tokio::test]
async fn many_callers_share_one_fetch() {
    let world = world();
    world.http.gated.store(true, Ordering::SeqCst);
    let release = async {
        tokio::task::yield_now().await;
        world.http.gate.notify_waiters();
    };
    let (one, two, three, ()) = tokio::join!(world.keys("one"), world.keys("one"), world.keys("two"), release);
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(world.http.count(), 1);
}

/// Keys that are no longer fresh, a key withdrawn since, and a caller that begins the fetch and leaves before the answer.
async fn left_by_its_only_caller() -> World {
    let world = world();
    world.keys("one").await.unwrap();
    world.http.answer(JWKS, 200, "application/json", jwks("two"));
    world.clock.advance(SignedDuration::from_mins(16));
    world.http.gated.store(true, Ordering::SeqCst);
    assert!(world.keys("one").now_or_never().is_none());
    assert_eq!(world.http.count(), 2);
    world
}

#[tokio::test]
async fn a_fetch_goes_on_when_its_only_caller_leaves() {
    let world = left_by_its_only_caller().await;
    tokio::task::yield_now().await;
    world.http.gate.notify_waiters();
    tokio::task::yield_now().await;
    let keys = world.keys("one").now_or_never().unwrap().unwrap();
    assert!(knows(&keys, "two") && !knows(&keys, "one"), "the key was withdrawn");
    assert_eq!(world.http.count(), 2);
}

#[test]
fn a_fetch_that_nobody_drives_any_more_is_begun_anew() {
    // Without a runtime, callers drive the fetch themselves.
    let world = left_by_its_only_caller().now_or_never().unwrap();
    world.http.gated.store(false, Ordering::SeqCst);
    let keys = world.keys("one").now_or_never().unwrap().unwrap();
    assert!(knows(&keys, "two") && !knows(&keys, "one"), "the key was withdrawn");
    assert_eq!(world.http.count(), 3);
}

#[tokio::test]
async fn an_unknown_kid_refetches_at_most_once_a_minute() {
    let world = world();
    world.keys("one").await.unwrap();
    world.http.answer(JWKS, 200, "application/json", jwks("two"));
    for passed in [0, 30, 29] {
        world.clock.advance(SignedDuration::from_secs(passed));
        assert!(!knows(&world.keys("two").await.unwrap(), "two"), "within the minute nothing is fetched");
    }
    assert_eq!(world.http.count(), 1);
    world.clock.advance(SignedDuration::from_secs(2));
    assert!(knows(&world.keys("two").await.unwrap(), "two"));
    for _ in 0..3 {
        world.keys("three").await.unwrap();
    }
    assert_eq!(world.http.count(), 2);
}

#[tokio::test]
async fn old_keys_are_fetched_again_and_kept_while_that_fails() {
    let world = world();
    world.keys("one").await.unwrap();
    world.http.answer(JWKS, 503, "text/plain", "");
    world.clock.advance(SignedDuration::from_hours(1));
    assert!(knows(&world.keys("one").await.unwrap(), "one"));
    assert_eq!(world.http.count(), 2);
    world.keys("one").await.unwrap();
    assert_eq!(world.http.count(), 2, "a failure is not repeated at once");
    world.http.answer(JWKS, 200, "application/json", jwks("two"));
    world.clock.advance(SignedDuration::from_secs(6));
    assert!(knows(&world.keys("one").await.unwrap(), "two"));
}

#[tokio::test]
async fn keys_that_are_too_old_are_not_served() {
    let world = world();
    world.keys("one").await.unwrap();
    world.http.answer(JWKS, 503, "text/plain", "");
    world.clock.advance(SignedDuration::from_hours(25));
    assert_eq!(world.keys("one").await.unwrap_err().kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn a_failure_is_told_with_its_cause_and_hints_and_not_repeated_at_once() {
    let world = world();
    world.http.answer(JWKS, 403, "text/plain", "");
    let first = world.keys("one").await.unwrap_err();
    let second = world.keys("one").await.unwrap_err();
    assert_eq!(world.http.count(), 1);
    for error in [first, second] {
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(error.hints(), ["the document must be readable without signing in; open public access to it"]);
        assert_eq!(carnet_core::chain(&error).last().unwrap(), "https://issuer.example/jwks answered 403 Forbidden");
    }
    world.http.answer(JWKS, 200, "application/json", jwks("one"));
    world.clock.advance(SignedDuration::from_secs(6));
    assert!(knows(&world.keys("one").await.unwrap(), "one"));
}

#[tokio::test]
async fn when_the_clock_is_set_back_keys_are_fetched_anew() {
    let world = world();
    world.keys("one").await.unwrap();
    world.clock.advance(SignedDuration::from_hours(-2));
    world.keys("one").await.unwrap();
    assert_eq!(world.http.count(), 2);
}

#[tokio::test]
async fn another_source_for_the_issuer_forgets_the_old_keys() {
    let world = world();
    world.keys("one").await.unwrap();
    let elsewhere = KeySource::Url("https://issuer.example/other".parse().unwrap(), Destination::Untrusted);
    assert!(world.cache.keys("https://issuer.example", &elsewhere, Some("one")).await.is_err());
}

#[tokio::test]
async fn a_discovery_document_leads_to_the_keys_wherever_it_is() {
    let world = world();
    let document = "https://issuer.example/elsewhere";
    let body = serde_json::json!({ "issuer": "https://issuer.example", "jwks_uri": JWKS });
    world.http.answer(document, 200, "application/json", body.to_string());
    let source = KeySource::Document(document.parse().unwrap(), Destination::Untrusted);
    assert!(knows(&world.cache.keys("https://issuer.example", &source, Some("one")).await.unwrap(), "one"));
    let refused = world.cache.keys("https://other.example", &source, Some("one")).await.unwrap_err();
    assert_eq!(refused.failed_clause(), Some("issuer"));
}

#[tokio::test]
async fn the_issuer_asked_for_longest_ago_makes_room() {
    let mut world = world();
    world.cache.limits.issuers = 2;
    for issuer in ["a", "b", "a", "c"] {
        world.clock.advance(SignedDuration::from_secs(1));
        world.cache.keys(issuer, &source(), None).await.unwrap();
    }
    assert_eq!((world.cache.len(), world.http.count()), (2, 3));
    world.cache.keys("a", &source(), None).await.unwrap();
    assert_eq!(world.http.count(), 3, "a was kept");
}
