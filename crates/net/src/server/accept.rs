//! Accepts connections within the limits and ends them at shutdown.

use std::{
    collections::HashMap,
    hash::Hash,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Limits;

/// After accepting failed (out of file descriptors, above all) the next attempt waits this long.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Where connections come in.
pub(super) trait Door {
    /// A connection with what is known of its peer.
    type Connection: Send + 'static;
    /// Whose connections are counted together.
    type Key: Hash + Eq + Clone + Send + 'static;

    /// The next connection.
    fn next(&self) -> impl Future<Output = io::Result<Self::Connection>> + Send;

    /// Whose it is. `None`: it is not counted with any other.
    fn key(&self, connection: &Self::Connection) -> Option<Self::Key>;
}

/// Serves every connection in a task of its own until `shutdown`, closes the door, and gives the connections
/// `limits.grace` to end.
pub(super) async fn accept_all<D, F, Fut>(door: D, limits: Limits, shutdown: CancellationToken, serve: F)
where
    D: Door,
    F: Fn(D::Connection) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let tracker = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let peers = PerPeer::new(limits.connections_per_peer);
    let abort = CancellationToken::new();
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, door.next().await)
        };
        let (slot, connection) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            (slot, accepted) = accepted => match accepted {
                Ok(connection) => (slot, connection),
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    sleep(ACCEPT_AGAIN_AFTER).await;
                    continue;
                }
            },
        };
        let counted = match door.key(&connection) {
            None => None,
            Some(key) => {
                let Some(counted) = peers.enter(key) else {
                    tracing::debug!(limit = limits.connections_per_peer, "a peer has too many connections");
                    continue;
                };
                Some(counted)
            }
        };
        let serving = serve(connection);
        let abort = abort.clone();
        tracker.spawn(async move {
            let _held = (slot, counted);
            abort.run_until_cancelled(serving).await;
        });
    }
    drop(door);
    tracker.close();
    if timeout(limits.grace, tracker.wait()).await.is_err() {
        abort.cancel();
        tracker.wait().await;
    }
}

/// How many connections each peer has. Holds no more keys than there are connections.
struct PerPeer<K> {
    limit: usize,
    open: Arc<Mutex<HashMap<K, usize>>>,
}

/// One connection of a peer, until it is dropped.
struct Counted<K: Hash + Eq> {
    key: K,
    open: Arc<Mutex<HashMap<K, usize>>>,
}

impl<K: Hash + Eq + Clone> PerPeer<K> {
    fn new(limit: usize) -> Self {
        Self { limit, open: Arc::default() }
    }

    fn enter(&self, key: K) -> Option<Counted<K>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let before = open.get(&key).copied().unwrap_or(0);
        if before >= self.limit {
            return None;
        }
        open.insert(key.clone(), before.saturating_add(1));
        Some(Counted { key, open: Arc::clone(&self.open) })
    }
}

impl<K: Hash + Eq> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_left_may_come_again_and_is_forgotten() {
        let peers = PerPeer::new(2);
        let first = peers.enter("a");
        let second = peers.enter("a");
        assert!(first.is_some() && second.is_some() && peers.enter("a").is_none());
        assert!(peers.enter("b").is_some(), "another peer is not meant");
        drop(first);
        assert!(peers.enter("a").is_some());
        drop(second);
        assert!(peers.open.lock().unwrap().is_empty());
    }
}
