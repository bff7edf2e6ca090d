//! One connection: which protocol, whose it is, and how it ends.

use std::{
    fmt,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use http::Extensions;
use hyper::{
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{
    Limits,
    activity::{Activity, Answering},
    prefixed::Prefixed,
};
use crate::{authority::Mended, unix::Peer};

/// What an HTTP/2 client may send on one stream before the handler has read it, in bytes. Requests here are small;
/// the size every client starts from (RFC 9113, 6.5.2).
const STREAM_WINDOW: u32 = 65_535;

/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 256 << 10;

/// What is kept of an answer that the client does not read, in bytes for each stream.
const SEND_BUFFER: usize = 64 << 10;

/// How often an HTTP/2 client at the other end of a network is asked whether it is still there. Without it, a stream of
/// answers to a machine that lost power would stay open. On a Unix socket the kernel tells.
const PING_EVERY: Duration = Duration::from_mins(1);

/// How long it may take to answer that.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The certificates that a client showed in the TLS handshake, DER, leaf first: an extension of its requests. The
/// handshake has proved that the client has the leaf's key, and the listener's verifier has believed the chain then.
/// A connection may outlive the certificate; who cares looks at its dates again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificates(pub Arc<Vec<Vec<u8>>>);

impl PeerCertificates {
    pub(super) fn new(chain: &[CertificateDer<'_>]) -> Self {
        Self(Arc::new(chain.iter().map(|certificate| certificate.to_vec()).collect()))
    }
}

/// Which HTTP a connection speaks.
#[derive(Clone, Copy)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    pub(super) fn from_alpn(name: Option<&[u8]>) -> Self {
        if name == Some(b"h2") { Self::Http2 } else { Self::Http1 }
    }
}

/// Whose connection it is.
#[derive(Clone)]
pub(super) enum Origin {
    Tcp { address: SocketAddr, certificates: Option<PeerCertificates> },
    Unix(Peer),
}

impl Origin {
    fn describe(&self, extensions: &mut Extensions) {
        match self {
            Self::Tcp { address, certificates } => {
                extensions.insert(ConnectInfo(*address));
                if let Some(certificates) = certificates {
                    extensions.insert(certificates.clone());
                }
            }
            Self::Unix(peer) => {
                extensions.insert(peer.clone());
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, .. } => write!(f, "{address}"),
            Self::Unix(peer) => write!(f, "{peer}"),
        }
    }
}

/// What a connection is served with.
pub(super) struct Served {
    pub(super) router: Router,
    pub(super) origin: Origin,
    pub(super) limits: Limits,
    pub(super) shutdown: CancellationToken,
}

impl Served {
    /// Serves a clear-text connection of a local client, in the protocol that its first bytes are of.
    pub(super) async fn detect<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let detected = tokio::select! {
            () = self.shutdown.cancelled() => return,
            detected = timeout(self.limits.head, Prefixed::detect(stream)) => detected,
        };
        match detected {
            Ok(Ok((false, stream))) => self.speak(stream, Protocol::Http1).await,
            Ok(Ok((true, stream))) => self.speak(Mended::new(stream), Protocol::Http2).await,
            Ok(Err(error)) => tracing::debug!(%error, net.peer = %self.origin, "a connection said nothing"),
            Err(_) => tracing::debug!(net.peer = %self.origin, "a connection took too long to say what it speaks"),
        }
    }

    /// Serves a connection whose protocol is known.
    pub(super) async fn speak<S>(self, stream: S, protocol: Protocol)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // Boxed, so that a connection takes the room of the protocol that it speaks and not of the larger one.
        match protocol {
            Protocol::Http1 => Box::pin(self.http1(stream)).await,
            Protocol::Http2 => Box::pin(self.http2(stream)).await,
        }
    }

    async fn http1<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { router, origin, limits, shutdown } = self;
        let label = origin.clone();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let mut request = request.map(Body::new);
            origin.describe(request.extensions_mut());
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_headers(limits.headers)
            .max_header_size(limits.head_bytes)
            .max_buf_size(limits.head_bytes.max(8 << 10))
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        drive(connection, shutdown.cancelled(), limits.grace, &label).await;
    }

    async fn http2<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { router, origin, limits, shutdown } = self;
        let label = origin.clone();
        let local = matches!(origin, Origin::Unix(_));
        let activity = Activity::new();
        let counter = activity.clone();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let running = counter.begin();
            let mut request = request.map(Body::new);
            origin.describe(request.extensions_mut());
            let answer = router.clone().oneshot(request);
            async move { answer.await.map(|answer| answer.map(|body| Answering::new(body, running))) }
        });
        let streams = Streams(CancellationToken::new());
        let _end_with_the_connection = streams.0.clone().drop_guard();
        let connection = http2::Builder::new(streams)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval((!local).then_some(PING_EVERY))
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let ending = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = activity.idle(limits.idle) => {}
            }
        };
        drive(connection, ending, limits.grace, &label).await;
    }
}

/// Runs the handlers of a connection's streams. They end with their connection, however it ends.
#[derive(Clone)]
struct Streams(CancellationToken);

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, handler: F) {
        let ended = self.0.clone();
        drop(tokio::spawn(async move { ended.run_until_cancelled_owned(handler).await }));
    }
}

/// A connection that can be asked to end.
trait Drains: Future<Output = hyper::Result<()>> {
    /// Takes no further request.
    fn drain(self: Pin<&mut Self>);
}

impl<S, H> Drains for http1::UpgradeableConnection<TokioIo<S>, H>
where
    Self: Future<Output = hyper::Result<()>>,
    H: hyper::service::HttpService<Incoming, ResBody = Body>,
    H::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, H> Drains for http2::Connection<TokioIo<S>, H, Streams>
where
    Self: Future<Output = hyper::Result<()>>,
    H: hyper::service::HttpService<Incoming, ResBody = Answering>,
    H::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    H::Future: Send + 'static,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Serves until the peer closes the connection or `ending`, after which running requests have `grace` to end.
async fn drive(connection: impl Drains, ending: impl Future<Output = ()>, grace: Duration, origin: &Origin) {
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = ending => {
            connection.as_mut().drain();
            match timeout(grace, connection).await {
                Ok(outcome) => outcome,
                // Dropping it cuts what is still going on.
                Err(_) => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, net.peer = %origin, "a connection ended early");
    }
}
