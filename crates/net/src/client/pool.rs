//! Connections that are kept for the next request.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::{
    BoxedStream,
    target::{Key, Target},
};

/// Most kept connections of one origin. A route uses one or two; an agent has at most five calls of its authority at once.
const MAX_PER_ORIGIN: usize = 8;

/// Most kept connections in all.
const MAX_KEPT: usize = 64;

/// How long a connection is kept. Servers commonly close after 60 seconds, some load balancers after 30.
const MAX_IDLE: Duration = Duration::from_secs(20);

/// The half of a connection that moves the bytes.
pub(super) type Driver = http1::Connection<TokioIo<BoxedStream>, Full<Bytes>>;

/// A connection that has nothing to do. Nobody polls it while it is kept.
pub(super) struct Kept {
    pub(super) sender: http1::SendRequest<Full<Bytes>>,
    pub(super) driver: Pin<Box<Driver>>,
    /// The server's certificates, DER, leaf first; none without TLS.
    pub(super) chain: Vec<Vec<u8>>,
}

impl Kept {
    /// Whether it can take a request, after it has seen what came in the meantime, above all the peer's farewell.
    async fn is_ready(&mut self) -> bool {
        poll_fn(|context| {
            if self.driver.as_mut().poll(context).is_ready() {
                return Poll::Ready(false);
            }
            Poll::Ready(matches!(self.sender.poll_ready(context), Poll::Ready(Ok(()))))
        })
        .await
    }
}

/// The kept connections, oldest first.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<(Key, Instant, Kept)>>);

impl Pool {
    /// The youngest connection that is still good for this target, to a server whose certificates are still believed.
    pub(super) async fn take(&self, target: &Target, believed: impl Fn(&[Vec<u8>]) -> bool) -> Option<Kept> {
        let mut found = self.remove(&target.key)?;
        // Lets the runtime look at its sockets, so that a farewell that has arrived is seen now and not after writing.
        tokio::task::yield_now().await;
        loop {
            if found.is_ready().await && (!target.key.tls || believed(&found.chain)) {
                return Some(found);
            }
            found = self.remove(&target.key)?;
        }
    }

    /// Keeps a connection whose answer has been read to its end.
    pub(super) async fn put(&self, target: &Target, mut kept: Kept) {
        if !kept.is_ready().await {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget_old(&mut all);
        if all.iter().filter(|(key, ..)| *key == target.key).count() >= MAX_PER_ORIGIN {
            return;
        }
        if all.len() >= MAX_KEPT {
            all.remove(0);
        }
        all.push((target.key.clone(), Instant::now(), kept));
    }

    fn remove(&self, wanted: &Key) -> Option<Kept> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forget_old(&mut all);
        let place = all.iter().rposition(|(key, ..)| key == wanted)?;
        Some(all.remove(place).2)
    }
}

fn forget_old(all: &mut Vec<(Key, Instant, Kept)>) {
    all.retain(|(_, since, _)| since.elapsed() < MAX_IDLE);
}
