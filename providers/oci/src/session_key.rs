//! The key that a session token gets bound to.
//!
//! An RSA key takes 15 to 190 ms to find, longer than everything else on a route together. So the search runs on a
//! thread of its own, starts when the route starts ([`SessionKeys::prepare`]), and overlaps with the network. The
//! key is then kept: Oracle's Go SDK caches the key of a profile and reads only the token anew, so a key that
//! changes under a running Go program breaks it.

use std::{
    fmt,
    future::poll_fn,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    task::{Poll, Waker},
    thread,
};

use carnet_core::{Context, Error, Mistake, NewFile, Unnamed};
use carnet_jose::{Algorithm, SigningKey, private_key_from_pem};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    duration,
    signer::parse_key,
    source::profile::{expand, readable_by_others},
    token::MAX_KEY,
};

/// How long one session key is used by default: as long as the longest token that can be bound to it, a federated
/// RPST. A shorter time limits what a stolen key is good for; it must be given up when something else, such as a Go
/// program, holds on to the key of a profile.
const DEFAULT_REUSE: SignedDuration = SignedDuration::from_hours(12);

/// The folder that deliveries swap as a whole; nothing may be put into it beside them.
const SWAPPED: &str = "current";

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
    /// Whether a new key is made and written to `file`, with mode 0600, when `file` does not exist. Without it that is an
    /// error.
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
        if config.file.is_some() && config.reuse.is_some() {
            mistakes.push(Mistake::new("session_key.reuse", "has no meaning beside session_key.file"));
        }
        if config.file.is_none() && config.make_if_missing {
            mistakes.push(Mistake::new("session_key.make_if_missing", "has no meaning without session_key.file"));
        }
        let folder = config.file.as_deref().and_then(Path::parent).and_then(Path::file_name);
        if config.make_if_missing && folder.is_some_and(|name| name == SWAPPED) {
            mistakes.push(
                Mistake::new(
                    "session_key.file",
                    "is in the folder `current`, which deliveries replace with all that is in it",
                )
                .hint("have the key made beside that folder: DIRECTORY/session_key.pem"),
            );
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
    /// [`carnet_core::ErrorKind::Configuration`] when the key file is not an RSA key, belongs to another user than this one
    /// and root, or is missing and cannot or must not be made.
    pub(crate) async fn get(&self, context: &Context) -> Result<Arc<SigningKey>, Error> {
        if let Some(file) = &self.file {
            let path = expand(context, &file.to_string_lossy())?;
            return self.of_file(context, &path).await;
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

    /// What to say about the key file besides: that others may read it.
    pub(crate) fn warning(&self, context: &Context) -> Option<String> {
        let path = expand(context, &self.file.as_ref()?.to_string_lossy()).ok()?;
        readable_by_others(context, &path)
    }

    async fn of_file(&self, context: &Context, path: &Path) -> Result<Arc<SigningKey>, Error> {
        if let Some(key) = read(context, path)? {
            return Ok(key);
        }
        if !self.make_if_missing {
            return Err(Error::configuration(format!("read the session key {}: it does not exist", path.display()))
                .hint(
                    "correct session_key.file, or set session_key.make_if_missing = true to have the key made there",
                ));
        }
        let cannot =
            |error: Error| Error::configuration(format!("make the session key {}", path.display())).because(error);
        // Held, so that of two processes that find none the second takes the key of the first.
        let held = context.files.hold(path).await.map_err(cannot)?;
        if let Some(key) = read(context, held.path())? {
            return Ok(key);
        }
        let found = Search::start().found().await;
        let key = found.map_err(|message| Error::internal(format!("make an RSA key: {message}")))?;
        // Before the key is used: a token for a key that is nowhere could be used by nobody after this process.
        context.files.replace(&[NewFile::new(held.path(), key.to_pkcs8_pem()?.expose())]).map_err(cannot)?;
        Ok(key)
    }

    fn slot<T>(&self, change: impl FnOnce(&mut Option<Slot>) -> T) -> T {
        change(&mut self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(context: &Context, path: &Path) -> Result<Option<Arc<SigningKey>>, Error> {
    // Whoever owns the file knows the key, and could use every session that gets bound to it.
    let pem = match context.files.read_unnamed(path, MAX_KEY)? {
        Some(Unnamed::Bytes(pem)) => pem,
        Some(Unnamed::OfAnotherUser) => {
            let message =
                format!("use the session key {}: it, or a link to it, belongs to another user", path.display());
            return Err(Error::configuration(message).hint("name a file of this user's own in session_key.file"));
        }
        None => return Ok(None),
    };
    let cannot = |error: Error| Error::configuration(format!("use the session key {}", path.display())).because(error);
    let der = private_key_from_pem(pem.expose(), None).map_err(|error| cannot(error.into()))?;
    parse_key(&der).map(Some).map_err(cannot)
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
mod tests;
