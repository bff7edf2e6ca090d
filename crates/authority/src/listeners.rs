//! Sockets, opened before anything is served, so that a mistake in an address is told at the start.

use std::net::SocketAddr;

use carnet_core::Error;
use tokio::net::TcpListener;

/// A listener at this address.
///
/// # Errors
/// When the address is taken, not ours, or a port that needs privileges.
pub(crate) async fn listen(what: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => "something listens there already; stop it, or take another port",
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
            _ => "the address must be one of this machine",
        };
        Error::configuration(format!("listen for {what} at {address}")).because(error).hint(hint)
    })
}

/// Where it listens.
///
/// # Errors
/// When the system does not say.
pub(crate) fn address_of(listener: &TcpListener) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(|error| Error::internal("ask a socket for its address").because(error))
}
