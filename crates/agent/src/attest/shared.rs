//! One look at a caller for all of its calls that have come together.
//!
//! A look costs several signatures, and a process that asks for many tokens at once is the same process each time. Who
//! has come before a look begins may have what it finds: that is as fresh as a look of his own would have been.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use carnet_core::Error;
use carnet_net::Peer;
use carnet_spiffe::Selector;
use tokio::{sync::oneshot, task::yield_now};

/// What a look has found, for everybody who shares it.
pub(super) type Found = Result<Arc<BTreeSet<Selector>>, Arc<Error>>;

/// Those who wait for looks that have not begun, by connection: the address of the descriptor that all clones of its
/// [`Peer`] hold.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<HashMap<usize, Vec<oneshot::Sender<Found>>>>);

impl Shared {
    /// What `look` finds at the other end of this connection. It begins after this call.
    pub(super) async fn find(
        &self,
        peer: &Peer,
        look: impl Future<Output = Result<BTreeSet<Selector>, Error>>,
    ) -> Found {
        let Some(descriptor) = &peer.pidfd else { return shared(look.await) };
        let connection = Arc::as_ptr(descriptor).addr();
        while let Some(found) = self.join(connection) {
            // Without an answer, who was to look has been dropped: its caller has lost patience, but this one has not.
            if let Ok(found) = found.await {
                return found;
            }
        }
        let mut gathering = Gathering { shared: self, connection: Some(connection) };
        // Calls that were read from the connection with this one are let come.
        yield_now().await;
        let others = gathering.close();
        let found = shared(look.await);
        for other in others {
            let _ = other.send(found.clone()); // It may have lost patience meanwhile.
        }
        found
    }

    /// A share in the look that is about to begin; with nothing, the caller is the first and is to look.
    fn join(&self, connection: usize) -> Option<oneshot::Receiver<Found>> {
        let mut gathering = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(waiting) = gathering.get_mut(&connection) else {
            gathering.insert(connection, Vec::new());
            return None;
        };
        let (sender, receiver) = oneshot::channel();
        waiting.push(sender);
        Some(receiver)
    }
}

/// A look that has not begun. Dropped before, it lets the next caller begin one.
struct Gathering<'a> {
    shared: &'a Shared,
    /// Nothing once it has begun.
    connection: Option<usize>,
}

impl Gathering<'_> {
    /// Who shares it. Whoever comes from now on needs another.
    fn close(&mut self) -> Vec<oneshot::Sender<Found>> {
        let Some(connection) = self.connection.take() else { return Vec::new() };
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&connection).unwrap_or_default()
    }
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

fn shared(found: Result<BTreeSet<Selector>, Error>) -> Found {
    found.map(Arc::new).map_err(Arc::new)
}
