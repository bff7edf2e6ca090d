//! Makes keys, lets them sign, retires them.

mod admin;
mod apply;
mod keep;
mod state;
mod withdraw;

use std::{
    fmt,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use carnet_core::{Context, Error};
use carnet_store::Store;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

pub use admin::{KeyView, Rotated, Timing};
pub use withdraw::Withdrawn;

use self::{
    keep::Kept,
    state::{RowExt as _, State},
};
use crate::{
    Action, Backend, KeyRing, KeySettings, Purpose, Sealer, Upstream, plan,
    upstream::{Issuing, digest_of},
};

/// How often the schedule is looked at: what is to happen at a time happens within a second of it. It costs one read of a few rows.
const TICK: Duration = Duration::from_secs(1);
/// Changes of the store that come in a burst are looked at together.
const SETTLE: Duration = Duration::from_millis(20);
/// More steps than any state of the store needs. Beyond it something undoes them, for instance nodes with different settings.
const MAX_STEPS: usize = 64;

/// What a key manager is made of.
#[derive(Debug)]
pub struct KeyParts {
    /// Where the rows are.
    pub store: Arc<dyn Store>,
    /// Time and randomness, and the files of `upstream`.
    pub context: Context,
    /// Encrypts private keys at rest.
    pub sealer: Arc<dyn Sealer>,
    /// Where private keys are.
    pub backend: Arc<dyn Backend>,
    /// The authority above ours, if there is one.
    pub upstream: Option<Upstream>,
    /// The schedule.
    pub settings: KeySettings,
}

/// Keeps the keys of the store to their schedule. All nodes of a store do so, and are equal: each step is one commit that
/// only the first of them can make.
pub struct KeyManager {
    store: Arc<dyn Store>,
    context: Context,
    sealer: StdMutex<Arc<dyn Sealer>>,
    backend: Arc<dyn Backend>,
    upstream: Option<Upstream>,
    settings: KeySettings,
    ring: watch::Sender<Arc<KeyRing>>,
    /// One step at a time.
    kept: Mutex<Kept>,
}

impl KeyManager {
    /// Opens the keys of the store. Where there are none they are made, active at once.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when the settings have mistakes, a key that should sign cannot be opened with the
    /// sealer, or the upstream authority cannot be used. No key is replaced because it cannot be opened.
    pub async fn open(parts: KeyParts) -> Result<Arc<Self>, Error> {
        let KeyParts { store, context, sealer, backend, upstream, settings } = parts;
        settings.check().map_err(|mistakes| {
            let texts: Vec<String> =
                mistakes.iter().map(|mistake| format!("{}: {}", mistake.field, mistake.message)).collect();
            Error::configuration(format!("the settings of the keys are refused: {}", texts.join("; ")))
        })?;
        let manager = Arc::new(Self {
            store,
            context,
            sealer: StdMutex::new(sealer),
            backend,
            upstream,
            settings,
            ring: watch::Sender::new(Arc::default()),
            kept: Mutex::default(),
        });
        manager.tick().await?;
        Ok(manager)
    }

    /// The keys as they are now.
    pub fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.borrow())
    }

    /// The keys as they are now, and whenever they change.
    pub fn watch(&self) -> watch::Receiver<Arc<KeyRing>> {
        self.ring.subscribe()
    }

    /// Keeps the schedule and follows what other nodes do, until it is told to stop. What fails is logged and tried again;
    /// meanwhile the keys stay as they are.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut store = self.store.changes();
        let mut store_is_open = true;
        // Kept over other events, so that a store that changes all the time does not stop the schedule.
        let mut tick = Box::pin(tokio::time::sleep(TICK));
        loop {
            let mut look = true;
            tokio::select! {
                () = shutdown.cancelled() => return,
                moved = store.changed(), if store_is_open => {
                    store_is_open = moved.is_ok();
                    tokio::time::sleep(SETTLE).await;
                    store.mark_unchanged();
                    // A store that does not answer is told of below.
                    look = self.has_news().await.unwrap_or(true);
                }
                () = &mut tick => tick = Box::pin(tokio::time::sleep(TICK)),
            }
            if !look {
                continue;
            }
            if let Err(error) = self.tick().await {
                tracing::error!(
                    error = carnet_core::chain(&error).join(": "),
                    "keeping the keys to their schedule failed"
                );
            }
        }
    }

    /// Does what the schedule asks for now. Answers whether [`Self::ring`] has changed.
    ///
    /// # Errors
    /// The first failure. What could be done is done all the same, and [`Self::ring`] shows it.
    pub async fn tick(&self) -> Result<bool, Error> {
        let mut kept = self.kept.lock().await;
        self.settle(&mut kept).await
    }

    /// [`Self::settle`] after something that is done whatever comes after it.
    async fn settle_after(&self, kept: &mut Kept) {
        if let Err(error) = self.settle(kept).await {
            log(&error);
        }
    }

    /// Plans and acts until there is nothing left to do, then publishes.
    async fn settle(&self, kept: &mut Kept) -> Result<bool, Error> {
        let mut failure = None;
        let mut failed: Vec<Action> = Vec::new();
        let issuing = self.look_upstream(kept, &mut failure);
        for _ in 0..MAX_STEPS {
            let state = self.read().await?;
            if let Err(error) = self.load(kept, &state).await {
                // What cannot be opened is not replaced: somebody must see to it.
                self.publish(kept, &state)?;
                return Err(error);
            }
            let facts = state.facts(kept)?;
            let steps = plan(&facts, state.times(self.context.now()), &self.settings.schedule());
            let follows = self.move_to_new_chain(kept, &state, issuing.as_ref());
            let Some(step) = steps.into_iter().chain(follows).find(|step| !failed.contains(step)) else {
                let changed = self.publish(kept, &state)?;
                return failure.map_or(Ok(changed), Err);
            };
            if let Err(error) = self.take(&state, &step, issuing.as_ref()).await {
                failed.push(step);
                failure.get_or_insert(error);
            }
        }
        Err(Error::internal("the keys do not come to rest")
            .hint("look whether another node of this store has other settings of its keys"))
    }

    /// The upstream authority as its files have it. A pair that cannot be used is an error, and the one before is not forgotten.
    fn look_upstream(&self, kept: &mut Kept, failure: &mut Option<Error>) -> Option<Issuing> {
        match self.upstream.as_ref()?.read(&self.context) {
            Ok(issuing) => {
                let digest = issuing.digest();
                kept.new_chain |= kept.chain != Some(digest);
                kept.chain = Some(digest);
                Some(issuing)
            }
            Err(error) => {
                failure.get_or_insert(error);
                None
            }
        }
    }

    /// When the files have changed, the next authority is made under the new chain without waiting for the schedule. Nodes do
    /// that once for each change that they see, so that two with different files do not take turns.
    fn move_to_new_chain(&self, kept: &mut Kept, state: &State, issuing: Option<&Issuing>) -> Option<Action> {
        let issuing = issuing.filter(|_| kept.new_chain)?;
        let wanted = issuing.digest();
        let is_there = state.rows.iter().any(|row| {
            row.is_waiting_or_signing() && row.certificate.get(1..).is_some_and(|chain| digest_of(chain) == wanted)
        });
        let has_authority = state.rows.iter().any(|row| row.is_waiting_or_signing() && !row.certificate.is_empty());
        kept.new_chain = has_authority && !is_there;
        kept.new_chain.then(|| self.successor(state, Purpose::X509))
    }

    fn sealer(&self) -> Arc<dyn Sealer> {
        Arc::clone(&self.sealer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn log(error: &Error) {
    tracing::error!(error = carnet_core::chain(error).join(": "), "keeping the keys to their schedule failed");
}

impl fmt::Debug for KeyManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyManager").field("backend", &self.backend).field("ring", &self.ring()).finish_non_exhaustive()
    }
}
