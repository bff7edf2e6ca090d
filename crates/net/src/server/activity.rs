//! Whether a connection has a request that is being answered.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::{sync::watch, time::sleep};

/// Counts the requests of a connection that are being answered.
#[derive(Clone)]
pub(super) struct Activity(watch::Sender<usize>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// A request begins; it lasts until what is returned is dropped.
    pub(super) fn begin(&self) -> Running {
        self.0.send_modify(|running| *running = running.saturating_add(1));
        Running(self.0.clone())
    }

    /// Ends when there has been no request for so long.
    pub(super) async fn idle(&self, limit: Duration) {
        let mut running = self.0.subscribe();
        loop {
            let idle = *running.borrow_and_update() == 0;
            tokio::select! {
                // This end holds a sender, so the channel does not close.
                _ = running.changed() => {}
                () = sleep(limit), if idle => return,
            }
        }
    }
}

/// One request that is being answered.
pub(super) struct Running(watch::Sender<usize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running = running.saturating_sub(1));
    }
}

/// The body of an answer; while it is not dropped, its request is being answered.
pub(super) struct Answering {
    body: Body,
    _running: Running,
}

impl Answering {
    pub(super) fn new(body: Body, running: Running) -> Self {
        Self { body, _running: running }
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
