//! The key that a session token gets bound to.
//!
//! An RSA key takes 15 to 190 ms to find, longer than everything else on a route together. So the search runs on a
//! thread of its own, starts when the route starts ([`SessionKeys::prepare`]), and overlaps with the network. The
//! key is then kept: Oracle's Go SDK caches the key of a profile and reads only the token anew, so a key that
//! changes under a running Go program breaks it.

use std::{
    fmt,
    future::poll_fn,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
    thread,
};

use carnet_core::{Context, Error, Mistake};
use carnet_jose::{Algorithm, SigningKey, private_key_from_pem};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{duration, signer::parse_key, token::MAX_KEY};

/// How long one session key is used by default: as long as the longest token that can be bound to it, a federated
/// RPST. A shorter time limits what a stolen key is good for; it must be given up when something else, such as a Go
/// program, holds on to the key of a profile.
const DEFAULT_REUSE: SignedDuration = SignedDuration::from_hours(12);

/// Where the key comes from that the session token gets bound to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionKeyConfig {
    /// How long one key is used before a new one is made, for instance `"12h"` (the default) or seconds. `0` makes a
    /// new key for every token. The key lives in memory and ends with the process.
    #[serde(default)]
    #[schemars(with = "Option<duration::Text>")]
    pub reuse: Option<duration::Duration>,
    /// A PEM file with an RSA key of at least 2048 bits that is used instead of a new one, for instance the
    /// `session_key.pem` of a profile that this route wrote before. It is read at each use. Saves the time to make a
    /// key.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// Whether a new key is made when `file` does not exist (yet). Without it that is an error.
    #[serde(default)]
    pub make_if_missing: bool,
}

/// The keys of one exchange or source.
pub(crate) struct SessionKeys {
    reuse: SignedDuration,
    file: Option<PathBuf>,
    make_if_missing: bool,
    current: Mutex<Option<Slot>>,
}

struct Slot {
    search: Arc<Search>,
    /// When the key was first given out.
    since: Option<Timestamp>,
}

impl SessionKeys {
    /// Checks the section `field`.
    pub(crate) fn build(config: Option<SessionKeyConfig>, mistakes: &mut Vec<Mistake>) -> Self {
        let config = config.unwrap_or_default();
        if config.file.is_some() && config.reuse.is_some() && !config.make_if_missing {
            mistakes.push(Mistake::new("session_key.reuse", "has no meaning beside session_key.file"));
        }
        if config.file.is_none() && config.make_if_missing {
            mistakes.push(Mistake::new("session_key.make_if_missing", "has no meaning without session_key.file"));
        }
        Self {
            reuse: config.reuse.map_or(DEFAULT_REUSE, |reuse| reuse.0),
            file: config.file,
            make_if_missing: config.make_if_missing,
            current: Mutex::new(None),
        }
    }

    /// Begins the search for a key if one will be needed. Returns at once.
    pub(crate) fn prepare(&self) {
        if self.file.is_none() {
            self.slot(|slot| {
                slot.get_or_insert_with(Slot::start);
            });
        }
    }

    /// The key to use now.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when the key file is missing or not an RSA key.
    pub(crate) async fn get(&self, context: &Context) -> Result<Arc<SigningKey>, Error> {
        if let Some(key) = self.read_file(context)? {
            return Ok(key);
        }
        let now = context.now();
        let search = self.slot(|slot| {
            let stale = |slot: &Slot| slot.since.is_some_and(|since| now.duration_since(since) >= self.reuse);
            if slot.as_ref().is_some_and(stale) {
                *slot = None;
            }
            let current = slot.get_or_insert_with(Slot::start);
            current.since.get_or_insert(now);
            let search = Arc::clone(&current.search);
            if self.reuse.is_zero() {
                *slot = None;
            }
            search
        });
        let found = search.found().await;
        found.map_err(|message| {
            // A failed search must not be remembered for hours.
            self.slot(|slot| *slot = None);
            Error::internal(format!("make an RSA key: {message}"))
        })
    }

    fn read_file(&self, context: &Context) -> Result<Option<Arc<SigningKey>>, Error> {
        let Some(path) = &self.file else { return Ok(None) };
        let Some(pem) = context.files.read(path, MAX_KEY)? else {
            if self.make_if_missing {
                return Ok(None);
            }
            return Err(Error::configuration(format!("read the session key {}: it does not exist", path.display()))
                .hint("set session_key.make_if_missing = true if the route's delivery is going to write it"));
        };
        let cannot =
            |error: Error| Error::configuration(format!("use the session key {}", path.display())).because(error);
        let der = private_key_from_pem(pem.expose(), None).map_err(|error| cannot(error.into()))?;
        parse_key(&der).map(Some).map_err(cannot)
    }

    fn slot<T>(&self, change: impl FnOnce(&mut Option<Slot>) -> T) -> T {
        change(&mut self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys")
    }
}

impl Slot {
    fn start() -> Self {
        Self { search: Search::start(), since: None }
    }
}

/// The search for one key on a thread of its own; any number of tasks may wait for it.
struct Search(Mutex<Progress>);

enum Progress {
    Searching(Vec<Waker>),
    Found(Result<Arc<SigningKey>, String>),
}

impl Search {
    fn start() -> Arc<Self> {
        let search = Arc::new(Self(Mutex::new(Progress::Searching(Vec::new()))));
        let theirs = Arc::clone(&search);
        let spawned = thread::Builder::new().name("session-key".to_owned()).spawn(move || {
            let key = SigningKey::generate_rsa_racing(Algorithm::Rs256);
            theirs.finish(key.map(Arc::new).map_err(|error| error.to_string()));
        });
        if let Err(error) = spawned {
            search.finish(Err(error.to_string()));
        }
        search
    }

    fn finish(&self, found: Result<Arc<SigningKey>, String>) {
        let before =
            std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Progress::Found(found));
        if let Progress::Searching(waiting) = before {
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    async fn found(&self) -> Result<Arc<SigningKey>, String> {
        poll_fn(|task| match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Progress::Found(found) => Poll::Ready(found.clone()),
            Progress::Searching(waiting) => {
                if !waiting.iter().any(|waker| waker.will_wake(task.waker())) {
                    waiting.push(task.waker().clone());
                }
                Poll::Pending
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::{ErrorKind, FixedClock, MemoryFiles, test_context};

    use super::*;
    use crate::testing;

    fn keys(config: SessionKeyConfig) -> SessionKeys {
        let mut mistakes = Vec::new();
        let keys = SessionKeys::build(Some(config), &mut mistakes);
        assert_eq!(mistakes, []);
        keys
    }

    #[tokio::test]
    async fn a_prepared_key_is_the_one_that_is_used_and_kept_until_its_age() {
        let keys = keys(SessionKeyConfig::default());
        let clock = Arc::new(FixedClock::at(testing::now()));
        let context = Context { clock: clock.clone(), ..test_context() };
        keys.prepare();
        keys.prepare();
        let (first, second) = futures_util::future::join(keys.get(&context), keys.get(&context)).await;
        let first = first.unwrap();
        assert!(Arc::ptr_eq(&first, &second.unwrap()));
        clock.advance(SignedDuration::from_hours(11));
        assert!(Arc::ptr_eq(&first, &keys.get(&context).await.unwrap()));
        clock.advance(SignedDuration::from_hours(1));
        assert!(!Arc::ptr_eq(&first, &keys.get(&context).await.unwrap()));
    }

    #[tokio::test]
    async fn without_reuse_every_token_gets_its_own_key() {
        let reuse = Some(duration::Duration(SignedDuration::ZERO));
        let keys = keys(SessionKeyConfig { reuse, ..SessionKeyConfig::default() });
        let first = keys.get(&test_context()).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &keys.get(&test_context()).await.unwrap()));
    }

    #[tokio::test]
    async fn a_key_file_spares_the_search() {
        let keys = keys(SessionKeyConfig { file: Some("/run/key.pem".into()), ..SessionKeyConfig::default() });
        let files = MemoryFiles::default();
        files.put("/run/key.pem", testing::pem(&testing::key()));
        let context = Context { files: Arc::new(files), ..test_context() };
        keys.prepare();
        assert_eq!(keys.get(&context).await.unwrap().public_spki(), testing::key().public_spki());
        assert!(keys.current.lock().unwrap().is_none(), "no search was started");
    }

    #[tokio::test]
    async fn refuses_a_missing_or_malformed_key_file_by_its_path() {
        let keys = keys(SessionKeyConfig { file: Some("/run/key.pem".into()), ..SessionKeyConfig::default() });
        let missing = keys.get(&test_context()).await.unwrap_err();
        assert!(missing.to_string().contains("/run/key.pem"));
        let files = MemoryFiles::default();
        files.put("/run/key.pem", "MARK");
        let context = Context { files: Arc::new(files), ..test_context() };
        let malformed = keys.get(&context).await.unwrap_err();
        assert_eq!((missing.kind(), malformed.kind()), (ErrorKind::Configuration, ErrorKind::Configuration));
        assert!(!format!("{malformed:?}").contains("MARK"));
    }

    #[tokio::test]
    async fn a_missing_key_file_may_be_replaced_by_a_new_key() {
        let config = SessionKeyConfig {
            file: Some("/run/key.pem".into()),
            make_if_missing: true,
            ..SessionKeyConfig::default()
        };
        keys(config).get(&test_context()).await.unwrap();
    }

    #[test]
    fn refuses_fields_that_contradict_each_other() {
        let mut mistakes = Vec::new();
        let reuse = Some(duration::Duration(SignedDuration::from_hours(1)));
        SessionKeys::build(
            Some(SessionKeyConfig { reuse, file: Some("k".into()), make_if_missing: false }),
            &mut mistakes,
        );
        SessionKeys::build(Some(SessionKeyConfig { reuse: None, file: None, make_if_missing: true }), &mut mistakes);
        let fields: Vec<_> = mistakes.iter().map(|mistake| mistake.field.as_str()).collect();
        assert_eq!(fields, ["session_key.reuse", "session_key.make_if_missing"]);
    }
}
