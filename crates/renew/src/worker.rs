//! The task that owns every key. It never waits for the network: fetches are tasks of their own that report back.
//!
//! Two clocks are watched. Expiry is a matter of the context's clock. Waiting is a matter of the runtime's, which
//! stands still while a laptop sleeps and does not move when somebody sets the time. A renewal is due when either
//! says so, and the worker looks at both at least every [`LONGEST_NAP`].

use std::{collections::HashMap, fmt, hash::Hash, sync::Arc, time::Duration};

use carnet_core::{Clock, Error, Random, chain};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Expires, Failure, Fetch, RenewError, Settings, State};

/// Longest time without a look at the clock. After the machine slept, a renewal is late by no more than this; callers
/// do not depend on it, since each of them looks at the clock itself.
const LONGEST_NAP: Duration = Duration::from_secs(30);

/// Shortest time between a success and the next fetch of a key, so that an issuer whose tokens end at once is not
/// asked in a circle.
const SHORTEST_REST: Duration = Duration::from_secs(1);

/// What a handle asks of the worker.
pub(crate) enum Message<K, V> {
    Watch { key: K, reply: oneshot::Sender<Result<watch::Receiver<State<V>>, RenewError>> },
    Renew(K),
    Forget(K),
}

/// What a fetch reports.
struct Fetched<K, V> {
    key: K,
    ticket: u64,
    outcome: Result<V, Error>,
}

/// A moment on both clocks.
#[derive(Clone, Copy)]
struct Due {
    wall: Timestamp,
    steady: Instant,
}

struct Entry<V> {
    state: watch::Sender<State<V>>,
    /// The fetch under way. An answer with another ticket belongs to a key that was forgotten and asked for again.
    flight: Option<Flight>,
    due: Due,
    failures: u32,
    /// Position in the order of questions, for making room.
    asked: u64,
}

struct Flight {
    ticket: u64,
    cancel: CancellationToken,
}

pub(crate) struct Worker<K, V> {
    settings: Settings,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    fetch: Arc<dyn Fetch<K, V>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    permits: Arc<Semaphore>,
    reports: mpsc::UnboundedSender<Fetched<K, V>>,
    /// Never more than one report per fetch, and never more fetches than keys, so it needs no bound of its own.
    reported: mpsc::UnboundedReceiver<Fetched<K, V>>,
    entries: HashMap<K, Entry<V>>,
    counter: u64,
    /// The next moment to look at the clock; `None` when an entry has changed since it was computed.
    wake: Option<Instant>,
}

impl<K, V> Worker<K, V>
where
    K: Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static,
    V: Expires + Send + Sync + 'static,
{
    pub(crate) fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        fetch: Arc<dyn Fetch<K, V>>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (reports, reported) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(settings.concurrency.get()));
        let entries = HashMap::new();
        Self {
            settings,
            clock,
            random,
            fetch,
            tasks,
            stop,
            permits,
            reports,
            reported,
            entries,
            counter: 0,
            wake: None,
        }
    }

    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Message<K, V>>) {
        let stop = self.stop.clone();
        loop {
            let wake = self.next_wake();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(report) = self.reported.recv() => self.landed(report),
                // Before the inbox, so that no number of questions keeps a renewal from starting.
                () = sleep_until(wake) => self.look_at_the_clock(),
                message = inbox.recv() => match message {
                    Some(message) => self.handle(message),
                    None => break,
                },
            }
        }
        // Fetches of a worker without handles have nobody to report to.
        stop.cancel();
    }

    fn handle(&mut self, message: Message<K, V>) {
        match message {
            Message::Watch { key, reply } => {
                let answer = self.watch(&key);
                // The caller may have gone; then nobody misses the answer.
                drop(reply.send(answer));
            }
            Message::Renew(key) => {
                if self.entries.get(&key).is_some_and(|entry| entry.flight.is_none()) {
                    self.take_off(&key);
                }
            }
            Message::Forget(key) => {
                self.wake = None;
                if let Some(flight) = self.entries.remove(&key).and_then(|entry| entry.flight) {
                    flight.cancel.cancel();
                }
            }
        }
    }

    fn watch(&mut self, key: &K) -> Result<watch::Receiver<State<V>>, RenewError> {
        let asked = self.count();
        if let Some(entry) = self.entries.get_mut(key) {
            entry.asked = asked;
        } else {
            self.make_room()?;
            let (state, _) = watch::channel(State::Pending);
            let due = Due { wall: self.clock.now(), steady: Instant::now() };
            self.entries.insert(key.clone(), Entry { state, flight: None, due, failures: 0, asked });
        }
        self.check(key);
        match self.entries.get(key) {
            Some(entry) => Ok(entry.state.subscribe()),
            None => Err(RenewError::Forgotten),
        }
    }

    /// Lets the key go that was asked for longest ago and that nobody watches, if there is no place left.
    fn make_room(&mut self) -> Result<(), RenewError> {
        let most = self.settings.max_keys.get();
        if self.entries.len() < most {
            return Ok(());
        }
        let idle = self.entries.iter().filter(|(_, entry)| entry.state.is_closed());
        let oldest = idle.min_by_key(|(_, entry)| entry.asked).map(|(key, _)| key.clone());
        let oldest = oldest.ok_or(RenewError::Full { most })?;
        tracing::info!(renew.key = ?oldest, "a credential that nobody asked for gives way to another");
        self.handle(Message::Forget(oldest));
        Ok(())
    }

    fn look_at_the_clock(&mut self) {
        self.wake = None;
        let keys: Vec<K> = self.entries.keys().cloned().collect();
        for key in keys {
            self.check(&key);
        }
    }

    /// Takes an expired value away, and starts a fetch if one is due.
    fn check(&mut self, key: &K) {
        let now = self.clock.now();
        let Some(entry) = self.entries.get(key) else { return };
        let expired =
            entry.state.borrow().value().is_some_and(|value| value.expires_at().is_some_and(|end| end <= now));
        if expired {
            let failure = entry.state.borrow().failure().cloned();
            tracing::warn!(renew.key = ?key, "a credential has expired before it could be renewed");
            entry.state.send_replace(failure.map_or(State::Pending, State::Failed));
        }
        // An end is no reason of its own: a renewal was due before it, or rests for a moment after a failure.
        let due = entry.due.wall <= now || entry.due.steady <= Instant::now();
        if due && entry.flight.is_none() {
            self.take_off(key);
        } else if expired && entry.flight.is_some() {
            entry.state.send_replace(State::Pending);
        }
    }

    fn take_off(&mut self, key: &K) {
        self.wake = None;
        let ticket = self.count();
        let cancel = self.stop.child_token();
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.flight = Some(Flight { ticket, cancel: cancel.clone() });
        // Whoever asks now waits for this attempt and is not told of the last one.
        entry.state.send_if_modified(|state| {
            let failed = matches!(state, State::Failed(_));
            if failed {
                *state = State::Pending;
            }
            failed
        });
        let mut report = Report { to: self.reports.clone(), content: Some((key.clone(), ticket)) };
        let (fetch, permits, key) = (Arc::clone(&self.fetch), Arc::clone(&self.permits), key.clone());
        self.tasks.spawn(async move {
            let work = async {
                // The semaphore is never closed; without a permit there would only be no bound.
                let _permit = permits.acquire().await;
                fetch.fetch(&key).await
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => report.withdraw(),
                outcome = work => report.send(outcome),
            }
        });
    }

    fn landed(&mut self, Fetched { key, ticket, outcome }: Fetched<K, V>) {
        let now = self.clock.now();
        let roll = self.roll();
        let schedule = self.fetch.schedule(&key).unwrap_or(self.settings.schedule);
        let backoff = self.settings.backoff;
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.flight.as_ref().is_none_or(|flight| flight.ticket != ticket) {
            return;
        }
        entry.flight = None;
        self.wake = None;
        match outcome.and_then(|value| refuse_expired(value, now)) {
            Ok(value) => {
                let renew_at = schedule.renew_at(now, value.expires_at(), roll);
                let wait = until(now, renew_at).max(SHORTEST_REST);
                entry.due = Due { wall: renew_at.max(later(now, SHORTEST_REST)), steady: Instant::now() + wait };
                entry.failures = 0;
                tracing::debug!(renew.key = ?key, renew.at = %renew_at, "a credential was fetched");
                entry.state.send_replace(State::Ready { value: Arc::new(value), fetched_at: now, failure: None });
            }
            Err(error) => {
                entry.failures = entry.failures.saturating_add(1);
                let wait = backoff.delay(entry.failures, roll);
                let retry_at = later(now, wait);
                entry.due = Due { wall: retry_at, steady: Instant::now() + wait };
                tracing::warn!(
                    renew.key = ?key,
                    renew.failures = entry.failures,
                    renew.retry_at = %retry_at,
                    error = chain(&error).join(": "),
                    "a credential could not be fetched"
                );
                let failure = Failure { error: Arc::new(error), at: now, in_a_row: entry.failures, retry_at };
                entry.state.send_modify(|state| match state {
                    State::Ready { value, failure: last, .. } if value.expires_at().is_none_or(|end| end > now) => {
                        *last = Some(failure);
                    }
                    _ => *state = State::Failed(failure),
                });
            }
        }
    }

    /// The next moment at which a renewal is due or a value ends, by whichever clock says so first.
    fn next_wake(&mut self) -> Instant {
        if let Some(wake) = self.wake {
            return wake;
        }
        let (now, steady) = (self.clock.now(), Instant::now());
        let moments = self.entries.values().flat_map(|entry| {
            let end = entry.state.borrow().value().and_then(|value| value.expires_at());
            let due = entry.flight.is_none().then(|| entry.due.steady.min(steady + until(now, entry.due.wall)));
            [due, end.map(|end| steady + until(now, end))]
        });
        let nap = steady + LONGEST_NAP;
        *self.wake.insert(moments.flatten().min().map_or(nap, |moment| moment.min(nap)))
    }

    fn roll(&self) -> f64 {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    }

    fn count(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        self.counter
    }
}

/// Sends exactly one report, also when the fetch panics.
struct Report<K, V> {
    to: mpsc::UnboundedSender<Fetched<K, V>>,
    content: Option<(K, u64)>,
}

impl<K, V> Report<K, V> {
    fn send(&mut self, outcome: Result<V, Error>) {
        if let Some((key, ticket)) = self.content.take() {
            // A worker that has gone needs no report.
            drop(self.to.send(Fetched { key, ticket, outcome }));
        }
    }

    fn withdraw(&mut self) {
        self.content = None;
    }
}

impl<K, V> Drop for Report<K, V> {
    fn drop(&mut self) {
        self.send(Err(Error::internal("fetch a credential: the task ended without an answer")));
    }
}

fn refuse_expired<V: Expires>(value: V, now: Timestamp) -> Result<V, Error> {
    match value.expires_at().filter(|end| *end <= now) {
        None => Ok(value),
        Some(end) => {
            Err(Error::expired(format!("use a fresh credential that expired at {end:.0}, before now ({now:.0})"))
                .clause("expired")
                .hint("compare this machine's clock with the issuer's"))
        }
    }
}

fn until(now: Timestamp, moment: Timestamp) -> Duration {
    moment.duration_since(now).max(SignedDuration::ZERO).unsigned_abs()
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
