//! The key sets of many issuers, fetched when they are needed and kept.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use carnet_core::{BoxFuture, Context, Destination, Error};
use futures_util::{
    FutureExt,
    future::{Shared, WeakShared},
};
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Handle;
use url::Url;

use crate::{KeySet, discover, discover_at, fetch_key_set};

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Where the discovery document of the issuer says.
    Discovery(Destination),
    /// Where the discovery document at this URL says, which must name the issuer.
    Document(Url, Destination),
    /// At this URL.
    Url(Url, Destination),
}

/// How much is kept and for how long.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// Most issuers whose keys are kept. The one that was asked for longest ago makes room.
    pub issuers: usize,
    /// Age at which a set is fetched again when somebody asks for it.
    pub fresh: SignedDuration,
    /// Age up to which a set is served when it cannot be fetched again. Beyond it the issuer may have withdrawn a key long
    /// ago, so verification fails closed.
    pub most: SignedDuration,
    /// Shortest time between two fetches that an unknown `kid` causes, so that forged tokens cannot make us flood an
    /// issuer.
    pub unknown_kid: SignedDuration,
    /// Shortest time between a fetch that failed and the next.
    pub failure: SignedDuration,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            issuers: 1000,
            fresh: SignedDuration::from_mins(15),
            most: SignedDuration::from_hours(24),
            unknown_kid: SignedDuration::from_mins(1),
            failure: SignedDuration::from_secs(5),
        }
    }
}

/// The key sets of many issuers. Cheap to clone; all clones share what is kept.
///
/// One fetch at a time per issuer, however many callers; a set that is still good is served while another caller
/// fetches it anew and when that fails; an unknown `kid` causes at most one fetch a minute per issuer. A fetch goes on when
/// whoever caused it has left; outside a Tokio runtime it ends with the last caller that waits, and the next begins anew.
#[derive(Clone)]
pub struct CachedKeySets {
    context: Context,
    limits: CacheLimits,
    entries: Arc<Mutex<HashMap<String, Entry>>>,
}

type Fetch = BoxFuture<'static, Result<Arc<KeySet>, SharedError>>;
type Flight = Shared<Fetch>;

struct Entry {
    source: KeySource,
    kept: Option<(Arc<KeySet>, Timestamp)>,
    last_failure: Option<(SharedError, Timestamp)>,
    last_attempt: Option<Timestamp>,
    last_use: Timestamp,
    /// The fetch under way, owned by those that drive it: one that nobody drives any more must not count as under way.
    flight: Option<WeakShared<Fetch>>,
}

/// What to do for one caller.
enum Step {
    Serve(Arc<KeySet>),
    Fail(SharedError),
    /// Wait for the fetch; serve the kept set when it fails.
    Wait(Flight, Option<Arc<KeySet>>),
}

impl CachedKeySets {
    /// Nothing kept yet. Time and network come from the context.
    pub fn new(context: Context, limits: CacheLimits) -> Self {
        Self { context, limits, entries: Arc::default() }
    }

    /// The keys of `issuer`, for verifying a token that names `kid`. When the set has no key for it even after a fetch,
    /// the set is returned all the same, and verifying says that there is no such key.
    ///
    /// # Errors
    /// Those of [`fetch_key_set`] and [`discover`], when no set is kept that is young enough.
    pub async fn keys(&self, issuer: &str, source: &KeySource, kid: Option<&str>) -> Result<Arc<KeySet>, Error> {
        let step = self.next_step(issuer, source, kid);
        match step {
            Step::Serve(keys) => Ok(keys),
            Step::Fail(error) => Err(error.into()),
            Step::Wait(flight, kept) => match (flight.await, kept) {
                (Ok(keys), _) | (Err(_), Some(keys)) => Ok(keys),
                (Err(error), None) => Err(error.into()),
            },
        }
    }

    /// Number of issuers whose keys are kept or being fetched.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn next_step(&self, issuer: &str, source: &KeySource, kid: Option<&str>) -> Step {
        let now = self.context.now();
        let mut entries = self.lock();
        if !entries.contains_key(issuer) {
            make_room(&mut entries, self.limits.issuers);
        }
        let entry = entries.entry(issuer.to_owned()).or_insert_with(|| Entry::new(source, now));
        if entry.source != *source {
            *entry = Entry::new(source, now);
        }
        entry.last_use = now;
        let good = entry.kept.clone().filter(|(_, fetched)| elapsed(*fetched, now) < self.limits.most);
        let kept = good.as_ref().map(|(keys, _)| Arc::clone(keys));
        let knows = kept.as_ref().is_some_and(|keys| keys.candidates(kid).next().is_some());
        let fresh = good.is_some_and(|(_, fetched)| elapsed(fetched, now) < self.limits.fresh);
        if let Some(flight) =
            entry.flight.as_ref().and_then(WeakShared::upgrade).filter(|flight| flight.peek().is_none())
        {
            return match kept {
                Some(keys) if knows => Step::Serve(keys),
                kept => Step::Wait(flight, kept),
            };
        }
        let since_attempt = entry.last_attempt.map(|attempt| elapsed(attempt, now));
        let failed = entry.last_failure.as_ref().filter(|(_, failure)| elapsed(*failure, now) < self.limits.failure);
        let too_soon = since_attempt.is_some_and(|since| since < self.limits.unknown_kid);
        match (kept, failed) {
            (Some(keys), _) if fresh && (knows || too_soon) => Step::Serve(keys),
            (Some(keys), Some(_)) => Step::Serve(keys),
            (None, Some((error, _))) => Step::Fail(error.clone()),
            (kept, None) => {
                entry.last_attempt = Some(now);
                let flight = self.take_off(issuer.to_owned(), source.clone());
                entry.flight = flight.downgrade();
                Step::Wait(flight, kept)
            }
        }
    }

    /// Starts a fetch that writes its own outcome down once, whoever waits for it, and if nobody does any more: a client that
    /// leaves must not keep us from learning that a key was withdrawn.
    fn take_off(&self, issuer: String, source: KeySource) -> Flight {
        let context = self.context.clone();
        // The flight lives in the map, so it must not keep the map alive.
        let entries = Arc::downgrade(&self.entries);
        let fetch: Fetch = Box::pin(async move {
            let outcome = fetch(&context, &issuer, &source).await.map(Arc::new).map_err(SharedError::new);
            let now = context.now();
            let Some(entries) = entries.upgrade() else { return outcome };
            let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = entries.get_mut(&issuer).filter(|entry| entry.source == source) {
                entry.flight = None;
                match &outcome {
                    Ok(keys) => {
                        entry.kept = Some((Arc::clone(keys), now));
                        entry.last_failure = None;
                    }
                    Err(error) => entry.last_failure = Some((error.clone(), now)),
                }
            }
            outcome
        });
        let flight = fetch.shared();
        if let Ok(runtime) = Handle::try_current() {
            // Its outcome is in the map, and with those that wait.
            drop(runtime.spawn(flight.clone()));
        }
        flight
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CachedKeySets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedKeySets").field("issuers", &self.len()).finish_non_exhaustive()
    }
}

impl Entry {
    fn new(source: &KeySource, now: Timestamp) -> Self {
        Self { source: source.clone(), kept: None, last_failure: None, last_attempt: None, last_use: now, flight: None }
    }
}

async fn fetch(context: &Context, issuer: &str, source: &KeySource) -> Result<KeySet, Error> {
    match source {
        KeySource::Url(url, destination) => fetch_key_set(context, url, *destination).await,
        KeySource::Discovery(destination) => {
            let url = discover(context, issuer, *destination).await?;
            fetch_key_set(context, &url, *destination).await
        }
        KeySource::Document(document, destination) => {
            let url = discover_at(context, document, issuer, *destination).await?;
            fetch_key_set(context, &url, *destination).await
        }
    }
}

fn make_room(entries: &mut HashMap<String, Entry>, most: usize) {
    while entries.len() >= most.max(1) {
        let oldest = entries.iter().min_by_key(|(_, entry)| entry.last_use).map(|(issuer, _)| issuer.clone());
        let Some(oldest) = oldest else { return };
        entries.remove(&oldest);
    }
}

/// Time since `then`. When the clock was set back it is unknown, and taken as long ago: keys are then fetched anew.
fn elapsed(then: Timestamp, now: Timestamp) -> SignedDuration {
    if now < then { SignedDuration::MAX } else { now.duration_since(then) }
}

/// One failure for all who waited.
#[derive(Clone, Debug)]
struct SharedError(Arc<Error>);

impl SharedError {
    fn new(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SharedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

impl From<SharedError> for Error {
    fn from(shared: SharedError) -> Self {
        let inner = &shared.0;
        let mut error = Self::new(inner.kind(), "get the keys of the issuer");
        for hint in inner.hints() {
            error = error.hint(hint);
        }
        if let Some(clause) = inner.failed_clause() {
            error = error.clause(clause);
        }
        error.because(shared)
    }
}

#[cfg(test)]
mod tests;
