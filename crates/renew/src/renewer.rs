//! The handle.

use std::{fmt, hash::Hash, num::NonZeroUsize, sync::Arc};

use carnet_core::{Clock, Random};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Backoff, Expires, Fetch, RenewError, Schedule, State,
    worker::{Message, Worker},
};

/// Messages that may wait for the worker. It does nothing slow itself, so the queue is short.
const QUEUE: usize = 64;

/// Bounds and rhythm of a [`Renewer`].
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// When values are renewed, unless the fetch says otherwise for a key.
    pub schedule: Schedule,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// Keys that are kept. When all places are taken, the key asked for longest ago that nobody watches gives way.
    pub max_keys: NonZeroUsize,
    /// Fetches that run at once.
    pub concurrency: NonZeroUsize,
}

impl Default for Settings {
    /// 1,024 keys (several times the pods that a node may have) and 16 fetches at once.
    fn default() -> Self {
        const KEYS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
        const FETCHES: NonZeroUsize = NonZeroUsize::new(16).unwrap();
        Self { schedule: Schedule::default(), backoff: Backoff::default(), max_keys: KEYS, concurrency: FETCHES }
    }
}

/// Keeps one value per key fresh. Cheap to clone; all clones speak to one worker, which stops when the last clone is
/// dropped or [`Renewer::shutdown`] is called.
pub struct Renewer<K, V> {
    messages: mpsc::Sender<Message<K, V>>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl<K, V> Renewer<K, V>
where
    K: Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static,
    V: Expires + Send + Sync + 'static,
{
    /// Starts the worker on the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        fetch: Arc<dyn Fetch<K, V>>,
    ) -> Self {
        let (messages, inbox) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let worker = Worker::new(settings, Arc::clone(&clock), random, fetch, tasks.clone(), stop.clone());
        tasks.spawn(worker.run(inbox));
        tasks.close();
        Self { messages, clock, stop, tasks }
    }

    /// The value of this key: at once if one that counts is at hand, else when the fetch has ended. Callers of the
    /// same key share the fetch. Safe to cancel; the fetch goes on for the others.
    ///
    /// # Errors
    /// [`RenewError::Failed`] when the fetch failed, or failed so short a time ago that the next attempt is not due.
    pub async fn get(&self, key: &K) -> Result<Arc<V>, RenewError> {
        let mut state = self.watch(key).await?;
        loop {
            match &*state.borrow_and_update() {
                State::Ready { value, .. } if self.counts(value) => return Ok(Arc::clone(value)),
                State::Failed(failure) => return Err(RenewError::Failed(failure.clone())),
                // A value that ended between the worker's look at it and ours: its renewal is under way.
                State::Pending | State::Ready { .. } => {}
            }
            if state.changed().await.is_err() {
                return Err(if self.stop.is_cancelled() { RenewError::Stopped } else { RenewError::Forgotten });
            }
        }
    }

    /// Watches a key, and has it fetched if it is new. The receiver sees every renewal, failure and expiry; it ends
    /// when the key is forgotten. A watched key never gives way to another.
    ///
    /// # Errors
    /// [`RenewError::Full`] when there is no place for a new key.
    pub async fn watch(&self, key: &K) -> Result<watch::Receiver<State<V>>, RenewError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Watch { key: key.clone(), reply };
        self.messages.send(message).await.map_err(|_closed| RenewError::Stopped)?;
        answer.await.map_err(|_closed| RenewError::Stopped)?
    }

    /// Renews a key now, for instance after a service has answered 401. What is at hand is served meanwhile. Does
    /// nothing when a fetch is under way or the key is not kept.
    ///
    /// # Errors
    /// [`RenewError::Stopped`].
    pub async fn renew(&self, key: &K) -> Result<(), RenewError> {
        self.messages.send(Message::Renew(key.clone())).await.map_err(|_closed| RenewError::Stopped)
    }

    /// Forgets a key: its value is dropped, its watchers end, the answer of a fetch under way is thrown away.
    ///
    /// # Errors
    /// [`RenewError::Stopped`].
    pub async fn forget(&self, key: &K) -> Result<(), RenewError> {
        self.messages.send(Message::Forget(key.clone())).await.map_err(|_closed| RenewError::Stopped)
    }

    /// Stops the worker and every fetch, and waits until they have ended.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    fn counts(&self, value: &V) -> bool {
        value.expires_at().is_none_or(|end| end > self.clock.now())
    }
}

impl<K, V> Clone for Renewer<K, V> {
    fn clone(&self) -> Self {
        Self {
            messages: self.messages.clone(),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            tasks: self.tasks.clone(),
        }
    }
}

impl<K, V> fmt::Debug for Renewer<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewer").field("stopped", &self.stop.is_cancelled()).finish_non_exhaustive()
    }
}
