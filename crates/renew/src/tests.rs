//! One test per rule, on tokio's paused time. The clock follows tokio's, plus a jump that a test may make.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use carnet_core::{BoxFuture, Clock, Error, ErrorKind, FixedRandom, Random};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use super::*;

#[derive(Debug)]
struct TokioClock {
    start: Instant,
    jump: Mutex<SignedDuration>,
}

impl TokioClock {
    fn jump(&self, by: SignedDuration) {
        *self.jump.lock().unwrap() += by;
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.start.elapsed()).unwrap();
        Timestamp::from_second(1_795_262_400).unwrap() + elapsed + *self.jump.lock().unwrap()
    }
}

/// Rolls zero: no jitter, the shortest backoff.
#[derive(Debug)]
struct Zero;

impl Random for Zero {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

#[derive(Debug)]
struct Token {
    number: usize,
    end: Option<Timestamp>,
}

impl Expires for Token {
    fn expires_at(&self) -> Option<Timestamp> {
        self.end
    }
}

/// What the next fetch does. When the list is at its end, the last entry is repeated.
#[derive(Clone, Debug)]
enum Answer {
    For(Duration),
    Fail,
    Panic,
}

#[derive(Debug)]
struct Issuer {
    clock: Arc<TokioClock>,
    answers: Mutex<VecDeque<Answer>>,
    takes: Duration,
    calls: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Issuer {
    fn next(&self) -> Answer {
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Fetch<u32, Token> for Issuer {
    fn fetch<'a>(&'a self, _key: &'a u32) -> BoxFuture<'a, Result<Token, Error>> {
        Box::pin(async move {
            let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(running, Ordering::SeqCst);
            sleep(self.takes).await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            match self.next() {
                Answer::For(life) => Ok(Token { number, end: Some(self.clock.now() + life) }),
                Answer::Fail => Err(Error::unreachable("ask the issuer").hint("start the issuer").at_step("issuer")),
                Answer::Panic => panic!("the fetch broke"),
            }
        })
    }
}

struct World {
    clock: Arc<TokioClock>,
    issuer: Arc<Issuer>,
    renewer: Renewer<u32, Token>,
}

fn world(answers: &[Answer]) -> World {
    world_with(answers, Settings::default(), Arc::new(Zero))
}

fn world_with(answers: &[Answer], settings: Settings, random: Arc<dyn Random>) -> World {
    let clock = Arc::new(TokioClock { start: Instant::now(), jump: Mutex::new(SignedDuration::ZERO) });
    let issuer = Arc::new(Issuer {
        clock: Arc::clone(&clock),
        answers: Mutex::new(answers.iter().cloned().collect()),
        takes: Duration::from_millis(100),
        calls: AtomicUsize::new(0),
        running: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
    });
    let renewer = Renewer::start(settings, Arc::clone(&clock) as _, random, Arc::clone(&issuer) as _);
    World { clock, issuer, renewer }
}

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_share_one_fetch() {
    let world = world(&[Answer::For(HOUR)]);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let renewer = world.renewer.clone();
            tokio::spawn(async move { renewer.get(&1).await.unwrap().number })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), 1);
    }
    assert_eq!(world.issuer.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_does_not_stop_the_others() {
    let world = world(&[Answer::For(HOUR)]);
    let renewer = world.renewer.clone();
    let first = tokio::spawn(async move { renewer.get(&1).await });
    tokio::task::yield_now().await;
    first.abort();
    assert_eq!(world.renewer.get(&1).await.unwrap().number, 1);
    assert_eq!(world.issuer.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_at_half_life_without_a_caller() {
    let world = world(&[Answer::For(HOUR)]);
    assert_eq!(world.renewer.get(&1).await.unwrap().number, 1);
    sleep(Duration::from_mins(29)).await;
    assert_eq!(world.issuer.calls(), 1);
    sleep(2 * MINUTE).await;
    assert_eq!(world.issuer.calls(), 2);
    assert_eq!(world.renewer.get(&1).await.unwrap().number, 2);
}

#[tokio::test(start_paused = true)]
async fn a_valid_credential_is_served_while_the_renewal_fails() {
    let world = world(&[Answer::For(HOUR), Answer::Fail]);
    world.renewer.get(&1).await.unwrap();
    let watch = world.renewer.watch(&1).await.unwrap();
    sleep(Duration::from_mins(59)).await;
    assert!(world.issuer.calls() > 2, "it has tried");
    assert_eq!(world.renewer.get(&1).await.unwrap().number, 1);
    let state = watch.borrow().clone();
    assert!(state.failure().unwrap().in_a_row > 1, "whoever watches sees that it fails");
}

#[tokio::test(start_paused = true)]
async fn an_expired_credential_is_never_served() {
    let world = world(&[Answer::For(HOUR), Answer::Fail]);
    world.renewer.get(&1).await.unwrap();
    let watch = world.renewer.watch(&1).await.unwrap();
    sleep(HOUR + MINUTE).await;
    assert!(watch.borrow().value().is_none(), "it is taken away at its end");
    let error = Error::from(world.renewer.get(&1).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.step(), Some("issuer"));
    assert_eq!(error.hints(), ["start the issuer"]);
    assert_eq!(carnet_core::chain(&error)[1], "ask the issuer");
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_arrives_expired_is_a_failure() {
    let world = world(&[Answer::For(Duration::ZERO)]);
    let error = Error::from(world.renewer.get(&1).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Expired);
    assert_eq!(error.failed_clause(), Some("expired"));
}

#[tokio::test(start_paused = true)]
async fn backoff_grows_and_starts_anew_after_a_success() {
    let fails = [Answer::Fail, Answer::Fail, Answer::Fail, Answer::For(HOUR), Answer::Fail];
    let world = world(&fails);
    let mut watch = world.renewer.watch(&1).await.unwrap();
    let mut waits = Vec::new();
    while watch.borrow_and_update().value().is_none() {
        if let Some(failure) = watch.borrow().failure() {
            waits.push(failure.retry_at.duration_since(failure.at).as_millis());
        }
        watch.changed().await.unwrap();
    }
    assert_eq!(waits, [500, 1000, 2000]);
    watch.changed().await.unwrap();
    let state = watch.borrow().clone();
    assert_eq!(state.failure().unwrap().in_a_row, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_answered_at_once_until_the_next_attempt() {
    let world = world(&[Answer::Fail, Answer::For(HOUR)]);
    world.renewer.get(&1).await.unwrap_err();
    world.renewer.get(&1).await.unwrap_err();
    assert_eq!(world.issuer.calls(), 1, "the second caller caused no second attempt");
    sleep(Duration::from_millis(501)).await;
    assert_eq!(world.renewer.get(&1).await.unwrap().number, 2, "a caller during the attempt waits for it");
}

#[tokio::test(start_paused = true)]
async fn after_the_machine_slept_the_first_caller_gets_a_fresh_one() {
    let world = world(&[Answer::For(HOUR)]);
    world.renewer.get(&1).await.unwrap();
    world.clock.jump(SignedDuration::from_hours(8));
    assert_eq!(world.renewer.get(&1).await.unwrap().number, 2);
}

#[tokio::test(start_paused = true)]
async fn after_the_machine_slept_a_renewal_starts_without_a_caller() {
    let world = world(&[Answer::For(HOUR)]);
    world.renewer.get(&1).await.unwrap();
    world.clock.jump(SignedDuration::from_mins(40));
    sleep(Duration::from_secs(31)).await;
    assert_eq!(world.issuer.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_does_not_delay_the_renewal() {
    let world = world(&[Answer::For(HOUR)]);
    world.renewer.get(&1).await.unwrap();
    world.clock.jump(SignedDuration::from_hours(-5));
    sleep(HOUR / 2 + MINUTE).await;
    assert_eq!(world.issuer.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn forgetting_a_key_in_mid_flight_ends_its_callers_and_drops_the_answer() {
    let world = world(&[Answer::For(HOUR)]);
    let renewer = world.renewer.clone();
    let caller = tokio::spawn(async move { renewer.get(&1).await });
    sleep(Duration::from_millis(50)).await;
    world.renewer.forget(&1).await.unwrap();
    assert!(matches!(caller.await.unwrap(), Err(RenewError::Forgotten)));
    assert_eq!(world.renewer.get(&1).await.unwrap().number, 2, "asked for again, it is fetched again");
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_panics_is_a_failure_and_not_a_hang() {
    let world = world(&[Answer::Panic, Answer::For(HOUR)]);
    let error = Error::from(world.renewer.get(&1).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Internal);
    sleep(MINUTE).await;
    assert_eq!(world.renewer.get(&1).await.unwrap().number, 2);
}

#[tokio::test(start_paused = true)]
async fn one_broken_key_does_not_delay_another() {
    let world = world(&[Answer::Fail, Answer::For(HOUR)]);
    world.renewer.get(&1).await.unwrap_err();
    let asked = Instant::now();
    world.renewer.get(&2).await.unwrap();
    assert_eq!(asked.elapsed(), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn renewing_on_demand_serves_the_old_one_meanwhile() {
    let world = world(&[Answer::For(HOUR)]);
    world.renewer.get(&1).await.unwrap();
    world.renewer.renew(&1).await.unwrap();
    world.renewer.renew(&1).await.unwrap();
    assert_eq!(world.renewer.get(&1).await.unwrap().number, 1);
    sleep(MINUTE).await;
    assert_eq!(world.renewer.get(&1).await.unwrap().number, 2, "two demands during one flight are one fetch");
    assert_eq!(world.issuer.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_whose_tokens_end_at_once_is_not_asked_in_a_circle() {
    let world = world(&[Answer::For(Duration::from_millis(20))]);
    let _watch = world.renewer.watch(&1).await.unwrap();
    sleep(MINUTE).await;
    let calls = world.issuer.calls();
    assert!((10..=60).contains(&calls), "{calls} calls in a minute");
}

#[tokio::test(start_paused = true)]
async fn when_full_the_oldest_unwatched_key_gives_way() {
    let settings = Settings { max_keys: NonZeroUsize::new(2).unwrap(), ..Settings::default() };
    let world = world_with(&[Answer::For(HOUR)], settings, Arc::new(FixedRandom::default()));
    let watched = world.renewer.watch(&1).await.unwrap();
    world.renewer.get(&2).await.unwrap();
    world.renewer.get(&3).await.unwrap();
    assert!(watched.has_changed().is_ok(), "the watched key is still kept");
    let _second = world.renewer.watch(&3).await.unwrap();
    assert!(matches!(world.renewer.get(&4).await, Err(RenewError::Full { most: 2 })));
}

#[tokio::test(start_paused = true)]
async fn no_more_fetches_run_at_once_than_allowed() {
    let settings = Settings { concurrency: NonZeroUsize::new(3).unwrap(), ..Settings::default() };
    let world = world_with(&[Answer::For(HOUR)], settings, Arc::new(FixedRandom::default()));
    let callers: Vec<_> = (0..20)
        .map(|key| {
            let renewer = world.renewer.clone();
            tokio::spawn(async move { renewer.get(&key).await.unwrap() })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(world.issuer.most.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_fetches_and_callers() {
    let world = world(&[Answer::For(HOUR)]);
    let renewer = world.renewer.clone();
    let caller = tokio::spawn(async move { renewer.get(&1).await });
    sleep(Duration::from_millis(50)).await;
    world.renewer.shutdown().await;
    assert!(matches!(caller.await.unwrap(), Err(RenewError::Stopped)));
    assert!(matches!(world.renewer.get(&1).await, Err(RenewError::Stopped)));
}
