//! Sockets, opened before anything is served, so that a mistake in an address is told at the start.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use carnet_core::Error;
use tokio::net::{TcpListener, TcpSocket};

/// Most connections that wait in the kernel until they are accepted.
const BACKLOG: u32 = 1024;

/// A listener at this address. `what` says for whom, in errors. `[::]` is every address of this machine, of IPv4 too where
/// the system has it so, and of IPv4 alone on a machine without IPv6.
///
/// # Errors
/// When the address is taken, not ours, or a port that needs privileges.
///
/// # Panics
/// Outside a tokio runtime.
pub fn listen(what: &str, address: SocketAddr) -> Result<TcpListener, Error> {
    let everywhere = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let bound = match bind(address) {
        Err(error) if everywhere && is_without_ipv6(&error) => {
            bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
        }
        bound => bound,
    };
    bound.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "something listens there already; stop it, or take another port",
            io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE; or take another port",
            _ => "the address must be one of this machine",
        };
        Error::configuration(format!("listen for {what} at {address}")).because(error).hint(hint)
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // What ended a moment ago still holds its port (TIME-WAIT, RFC 9293, 3.6.1).
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// `EAFNOSUPPORT` has no kind of its own in the standard library.
fn is_without_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// Where it listens.
///
/// # Errors
/// When the system does not say.
pub fn address_of(listener: &TcpListener) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(|error| Error::internal("ask a socket for its address").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_address_of_the_machine_is_one_of_ipv4_too() {
        let listener = listen("tests", "[::]:0".parse().unwrap()).unwrap();
        let port = address_of(&listener).unwrap().port();
        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    }

    #[tokio::test]
    async fn rejects_an_address_that_is_taken_or_not_ours() {
        let taken = listen("tests", "127.0.0.1:0".parse().unwrap()).unwrap();
        let error = listen("tests", address_of(&taken).unwrap()).unwrap_err();
        assert!(error.to_string().contains("listen for tests at 127.0.0.1:"), "{error}");
        assert!(error.hints()[0].contains("something listens there already"), "{error:?}");
        // TEST-NET-1 (RFC 5737, 3) is no machine's.
        let error = listen("tests", "192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(error.hints()[0].contains("one of this machine"), "{error:?}");
    }
}
