//! Listeners for axum routers.

mod tls;

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use carnet_core::Error;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

pub use tls::{ServerCertificate, TlsServerConfig};

/// What a listener bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// Longest time for a TLS handshake, for the head of a request, and between two requests.
    pub head: Duration,
    /// Largest head of a request, in bytes. OCI and SPIFFE tokens ride in headers, so this is larger than usual.
    pub head_bytes: usize,
    /// Most header lines of a request.
    pub headers: usize,
    /// How long requests may go on after shutdown was asked for.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(10),
            head_bytes: 64 << 10,
            headers: 100,
            grace: Duration::from_secs(5),
        }
    }
}

/// After accepting failed (out of file descriptors, above all) the next attempt waits this long.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Serves the router on the listener until `shutdown`, then lets running requests end. HTTP/1.1 only.
///
/// Handlers see the path and query as they were sent, byte by byte; the peer's address as
/// [`axum::extract::ConnectInfo`]; and may take over the connection ([`take_over`]).
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<TlsServerConfig>>,
    shutdown: CancellationToken,
) {
    serve_with(listener, router, tls, Limits::default(), shutdown).await;
}

/// [`serve`] with limits of one's own.
pub async fn serve_with(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<TlsServerConfig>>,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let tracker = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(limits.connections));
    let abort = CancellationToken::new();
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, stream, peer) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            (slot, accepted) = accepted => match accepted {
                Ok((stream, peer)) => (slot, stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    sleep(ACCEPT_AGAIN_AFTER).await;
                    continue;
                }
            },
        };
        // Answers are written whole; see the client.
        drop(stream.set_nodelay(true));
        let (router, tls, shutdown, abort) = (router.clone(), tls.clone(), shutdown.clone(), abort.clone());
        tracker.spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = abort.cancelled() => {}
                () = serve_stream(stream, peer, router, tls, limits, shutdown) => {}
            }
        });
    }
    drop(listener);
    tracker.close();
    if timeout(limits.grace, tracker.wait()).await.is_err() {
        abort.cancel();
        tracker.wait().await;
    }
}

/// Serves the router on one connection that is open already, until the peer closes it or `shutdown`, after which a
/// running request has `limits.grace` to end.
pub async fn serve_stream<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    tls: Option<Arc<TlsServerConfig>>,
    limits: Limits,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Some(tls) = tls else { return serve_http(stream, peer, router, limits, shutdown).await };
    let handshake = TlsAcceptor::from(tls.rustls()).accept(stream);
    let outcome = tokio::select! {
        () = shutdown.cancelled() => return,
        outcome = timeout(limits.head, handshake) => outcome,
    };
    match outcome {
        Ok(Ok(stream)) => serve_http(stream, peer, router, limits, shutdown).await,
        Ok(Err(error)) => tracing::debug!(%error, net.peer = %peer, "a TLS handshake failed"),
        Err(_) => tracing::debug!(net.peer = %peer, "a TLS handshake took too long"),
    }
}

/// The connection of a request, once it has been answered with a status that ends HTTP on it: 2xx to `CONNECT`
/// (RFC 9110, 9.3.6) or 101. Await it in a task of its own, because the answer must leave first.
///
/// # Errors
/// When the connection closed before, or was not to be taken over.
pub async fn take_over(
    request: axum::extract::Request,
) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static, Error> {
    let upgraded = hyper::upgrade::on(request).await;
    upgraded.map(TokioIo::new).map_err(|error| Error::unreachable("take over a connection").because(error))
}

async fn serve_http<S>(stream: S, peer: SocketAddr, router: Router, limits: Limits, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
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
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match timeout(limits.grace, connection).await {
                Ok(outcome) => outcome,
                // Dropping it cuts what is still going on.
                Err(_) => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, net.peer = %peer, "a connection ended early");
    }
}
