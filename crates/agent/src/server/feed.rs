//! Streams of whole states.

use std::{collections::BTreeSet, sync::Arc};

use carnet_core::SecretBytes;
use carnet_grpc::{
    prost::Message,
    tonic::{Extensions, Status},
};
use carnet_spiffe::Selector;
use futures_util::{Stream, stream};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{place, places::Place, shutting_down};
use crate::{
    core::Core,
    hub::{Snapshot, Wish},
};

/// What a stream would send now.
pub(super) enum Next<M> {
    /// This. `whole` is false while something is still on its way.
    Message { message: M, whole: bool },
    /// Nothing yet.
    Coming,
}

/// What a stream is about: it makes its message from a snapshot. The wish keeps the X509-SVIDs in it ready.
pub(super) trait Subject: Send + 'static {
    type Message: Message + Send;

    fn next(&mut self, core: &Core, snapshot: &Snapshot, wish: &mut Wish) -> Result<Next<Self::Message>, Status>;
}

/// What a stream remembers between two messages: no message, only the digest of the last one.
struct Feed<S> {
    core: Arc<Core>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    subject: S,
    wish: Wish,
    last: Option<[u8; 32]>,
    /// Until when the first message may wait to be whole.
    patience: Option<Instant>,
}

/// The first message now, then one whenever it would be another; an error is the end.
///
/// # Errors
/// When too many streams are open.
pub(super) fn feed<S: Subject>(
    core: &Arc<Core>,
    caller: &Extensions,
    subject: S,
) -> Result<impl Stream<Item = Result<S::Message, Status>> + Send + use<S>, Status> {
    let open = Open { place: place(core, caller)?, feed: Feed::new(core, subject), ended: false };
    Ok(stream::unfold(open, |mut open| async move {
        if open.ended {
            return None;
        }
        let item = open.feed.advance().await;
        open.ended = item.is_err();
        Some((item, open))
    }))
}

/// One message without a stream.
pub(super) async fn once<S: Subject>(core: &Arc<Core>, subject: S) -> Result<S::Message, Status> {
    Feed::new(core, subject).advance().await
}

/// A stream that is open.
struct Open<S> {
    #[expect(dead_code, reason = "it is held until the stream ends")]
    place: Place,
    feed: Feed<S>,
    ended: bool,
}

impl<S: Subject> Feed<S> {
    fn new(core: &Arc<Core>, subject: S) -> Self {
        Self {
            core: Arc::clone(core),
            snapshots: core.hub.watch(),
            subject,
            wish: core.hub.wish(),
            last: None,
            patience: Some(Instant::now() + core.settings.patience),
        }
    }

    async fn advance(&mut self) -> Result<S::Message, Status> {
        loop {
            let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
            let late = self.patience.is_some_and(|until| until <= Instant::now());
            match self.subject.next(&self.core, &snapshot, &mut self.wish)? {
                Next::Message { message, whole } if whole || late || self.patience.is_none() => {
                    if self.is_new(&message) {
                        self.patience = None;
                        return Ok(message);
                    }
                }
                Next::Coming if late => {
                    return Err(Status::unavailable("could not fetch X509-SVID: none is ready yet"));
                }
                Next::Message { .. } | Next::Coming => {}
            }
            drop(snapshot);
            let until = self.patience;
            let late = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.core.stop.cancelled() => return Err(shutting_down()),
                changed = self.snapshots.changed() => changed.map_err(|_closed| shutting_down())?,
                () = late => {}
            }
        }
    }

    fn is_new(&mut self, message: &S::Message) -> bool {
        // It may hold a private key: the copy is wiped.
        let bytes = SecretBytes::new(message.encode_to_vec());
        let digest = carnet_jose::sha256(bytes.expose());
        self.last.replace(digest) != Some(digest)
    }
}

/// Selectors of a caller, shared by what its stream is made of.
pub(super) type Selectors = Arc<BTreeSet<Selector>>;
