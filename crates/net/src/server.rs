//! Listeners for axum routers.

mod accept;
mod activity;
mod challenge;
mod connection;
mod limits;
mod prefixed;
mod tls;

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use axum::Router;
use carnet_core::Error;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    forwarded::TrustedProxies,
    unix::{Peer, UnixSocket},
};

use accept::{Door, accept_all};
use connection::{Origin, Protocol, Served};

pub use challenge::ChallengeSource;
pub use connection::PeerCertificates;
pub use limits::Limits;
pub(crate) use prefixed::PREFACE;
pub use tls::{ClientCertificates, ServerCertificate, TlsServerConfig};

/// Serves the router on the listener until `shutdown`, then lets running requests end. HTTP/1.1; with a
/// [`TlsServerConfig`] that offers it, HTTP/2 as well.
///
/// Handlers see the path and query as they were sent, byte by byte; the peer's address as
/// [`axum::extract::ConnectInfo`]; its certificates, if it showed any, as [`PeerCertificates`]; and may take over an
/// HTTP/1.1 connection ([`take_over`]).
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
    let door = TcpDoor { listener, proxies: TrustedProxies::default() };
    serve_door(door, router, tls, limits, shutdown).await;
}

/// [`serve_with`] behind proxies: requests that come through one of them have a [`crate::ForwardedPeer`] among their
/// extensions, and `limits.connections_per_peer` does not count the proxies' own connections, which are many clients'.
pub async fn serve_behind(
    proxies: TrustedProxies,
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<TlsServerConfig>>,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let router = proxies.clone().name_clients(router);
    serve_door(TcpDoor { listener, proxies }, router, tls, limits, shutdown).await;
}

async fn serve_door(
    door: TcpDoor,
    router: Router,
    tls: Option<Arc<TlsServerConfig>>,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let stop = shutdown.clone();
    accept_all(door, limits, shutdown, move |(stream, peer): (TcpStream, SocketAddr)| {
        // Answers are written whole; see the client.
        drop(stream.set_nodelay(true));
        serve_stream(stream, peer, router.clone(), tls.clone(), limits, stop.clone())
    })
    .await;
}

/// Serves the router on a Unix socket until `shutdown`, then removes the socket's file and lets running requests end.
/// HTTP/1.1, and HTTP/2 with prior knowledge (RFC 9113, 3.3), told apart by the client's first bytes.
///
/// Every request carries who connected, as the extension [`Peer`]. Whatever a client calls the server (`:authority`)
/// is taken; the crate's documentation says why that needs care.
pub async fn serve_unix(socket: UnixSocket, router: Router, limits: Limits, shutdown: CancellationToken) {
    let stop = shutdown.clone();
    accept_all(socket, limits, shutdown, move |(stream, peer)| {
        let served = Served { router: router.clone(), origin: Origin::Unix(peer), limits, shutdown: stop.clone() };
        served.detect(stream)
    })
    .await;
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
    let served = |certificates| Served {
        router,
        origin: Origin::Tcp { address: peer, certificates },
        limits,
        shutdown: shutdown.clone(),
    };
    let Some(tls) = tls else { return served(None).speak(stream, Protocol::Http1).await };
    let handshake = tls.accept(stream);
    let outcome = tokio::select! {
        () = shutdown.cancelled() => return,
        outcome = timeout(limits.head, handshake) => outcome,
    };
    match outcome {
        Ok(Ok(None)) => tracing::debug!(net.peer = %peer, "a name was proved to an ACME authority"),
        Ok(Ok(Some(stream))) => {
            let (_, session) = stream.get_ref();
            let protocol = Protocol::from_alpn(session.alpn_protocol());
            let certificates = session.peer_certificates().map(PeerCertificates::new);
            served(certificates).speak(stream, protocol).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, net.peer = %peer, "a TLS handshake failed"),
        Err(_) => tracing::debug!(net.peer = %peer, "a TLS handshake took too long"),
    }
}

/// The connection of a request, once it has been answered with a status that ends HTTP on it: 2xx to `CONNECT`
/// (RFC 9110, 9.3.6) or 101. Await it in a task of its own, because the answer must leave first. HTTP/1.1 only.
///
/// # Errors
/// When the connection closed before, or was not to be taken over.
pub async fn take_over(
    request: axum::extract::Request,
) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static, Error> {
    let upgraded = hyper::upgrade::on(request).await;
    upgraded.map(TokioIo::new).map_err(|error| Error::unreachable("take over a connection").because(error))
}

struct TcpDoor {
    listener: TcpListener,
    /// Whose connections are not counted.
    proxies: TrustedProxies,
}

impl Door for TcpDoor {
    type Connection = (TcpStream, SocketAddr);
    type Key = IpAddr;

    async fn next(&self) -> io::Result<Self::Connection> {
        self.listener.accept().await
    }

    fn key(&self, (_, peer): &Self::Connection) -> Option<IpAddr> {
        (!self.proxies.contain(Some(peer.ip()))).then(|| counted_as(peer.ip()))
    }
}

impl Door for UnixSocket {
    type Connection = (tokio::net::UnixStream, Peer);
    type Key = Option<i64>;

    async fn next(&self) -> io::Result<Self::Connection> {
        self.accept().await
    }

    fn key(&self, (_, peer): &Self::Connection) -> Option<Option<i64>> {
        Some(if self.counts_users() { Some(peer.uid.into()) } else { peer.pid.map(i64::from) })
    }
}

/// Whose connections are counted together: an address; of IPv6 the first 64 bits, because one host has all addresses
/// below them (RFC 4291, 2.5.4).
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_host_are_counted_together() {
        let same = |one: &str, other: &str| counted_as(one.parse().unwrap()) == counted_as(other.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(!same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    }
}
