//! From a target to a stream: resolve, guard, dial, tunnel, TLS.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use carnet_core::{Destination, Error, HttpError, HttpErrorKind};
use futures_util::{StreamExt, stream::FuturesUnordered};
use rustls::{ClientConfig, InvalidMessage, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;
use url::Host;

use super::{Client, find, target::Target, tls::as_identity};
use crate::{guard, proxy::ConnectError, roots};

/// Longest time to resolve a name and to connect. A packet that is lost is sent again after 1 and 3 seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The same for a metadata service, which is on the next hop or not there at all.
const METADATA_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one address may take before the next is tried beside it (RFC 8305, 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// A connection, plain or TLS.
pub(super) type BoxedStream = Box<dyn Stream>;

/// What a connection is made of.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection, and whose it is.
pub(super) struct Opened {
    pub(super) stream: BoxedStream,
    /// The server's certificates, DER, leaf first; none without TLS.
    pub(super) chain: Vec<Vec<u8>>,
}

/// Opens a connection to the target.
pub(super) async fn open(client: &Client, target: &Target, ca_pem: Option<&[u8]>) -> Result<Opened, HttpError> {
    if let Some(socket) = &target.socket {
        let connected = timeout(CONNECT_TIMEOUT, UnixStream::connect(socket)).await.map_err(|_elapsed| {
            target
                .error(HttpErrorKind::Timeout, format_args!("no connection within {} ms", CONNECT_TIMEOUT.as_millis()))
        })?;
        let stream = connected
            .map_err(|error| with_cause(target.error(HttpErrorKind::Connect, format_args!("no connection")), error))?;
        return Ok(Opened { stream: Box::new(stream), chain: Vec::new() });
    }
    let limit = match target.key.destination {
        Destination::Metadata => METADATA_CONNECT_TIMEOUT,
        Destination::Configured | Destination::Untrusted => CONNECT_TIMEOUT,
    };
    let mut tcp = timeout(limit, dial(target)).await.map_err(|_elapsed| {
        target.error(HttpErrorKind::Timeout, format_args!("no connection within {} ms", limit.as_millis()))
    })??;
    // Requests are written whole; waiting to fill a packet would only add delay. Failing to say so costs nothing else.
    drop(tcp.set_nodelay(true));
    if !target.key.tls {
        return Ok(Opened { stream: Box::new(tcp), chain: Vec::new() });
    }
    if let Some(proxy) = &target.proxy {
        let authority = format!("{}:{}", target.key.host, target.key.port);
        proxy.connect(&mut tcp, &authority).await.map_err(|error| {
            let kind = match error {
                ConnectError::Io(_) | ConnectError::Refused(_) => HttpErrorKind::Connect,
                ConnectError::NotHttp => HttpErrorKind::NotHttp,
            };
            with_cause(target.error(kind, format_args!("no tunnel")), error)
        })?;
    }
    let config = match ca_pem {
        None => client.tls(),
        Some(pem) => roots::from_pem(pem).and_then(tls_config),
    };
    let config = config.map(|config| as_identity(config, target.identity.as_ref())).map_err(|error| {
        with_cause(target.error(HttpErrorKind::TlsSettings, format_args!("TLS cannot be set up")), error)
    })?;
    let stream = TlsConnector::from(config).connect(server_name(target)?, tcp).await.map_err(|error| {
        let (kind, text) = match find::<rustls::Error>(&error) {
            // Its first bytes are no TLS record: a plain listener answers so.
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                (HttpErrorKind::NotTls, "what answers there does not speak TLS")
            }
            Some(_) => (HttpErrorKind::Tls, "the TLS handshake failed"),
            None => (HttpErrorKind::Connect, "the TLS handshake failed"),
        };
        with_cause(target.error(kind, format_args!("{text}")), error)
    })?;
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().unwrap_or_default().iter().map(|one| one.to_vec()).collect();
    Ok(Opened { stream: Box::new(stream), chain })
}

/// TLS with these roots: versions 1.2 and 1.3, HTTP/1.1, the crypto library named and not taken from a global.
pub(super) fn tls_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("choose TLS versions").because(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Connects to the proxy or to the host. The addresses that are checked are the ones that are dialled, so a name
/// that changes its mind between the two gains nothing.
async fn dial(target: &Target) -> Result<TcpStream, HttpError> {
    let (host, port) = match &target.proxy {
        Some(proxy) => (&proxy.host, proxy.port),
        None => (&target.key.host, target.key.port),
    };
    let addresses: Vec<SocketAddr> = match host {
        Host::Ipv4(address) => vec![SocketAddr::new(IpAddr::V4(*address), port)],
        Host::Ipv6(address) => vec![SocketAddr::new(IpAddr::V6(*address), port)],
        Host::Domain(name) => {
            let found = tokio::net::lookup_host((name.as_str(), port)).await.map_err(|error| {
                with_cause(target.error(HttpErrorKind::Connect, format_args!("the name does not resolve")), error)
            })?;
            found.take(MAX_ADDRESSES).collect()
        }
    };
    // The user chose the proxy, so it may be anywhere. A name with one forbidden address is refused as a whole:
    // which of its addresses answers must not decide what is allowed.
    if target.proxy.is_none()
        && let Some(address) =
            addresses.iter().map(SocketAddr::ip).find(|address| !guard::allows(target.key.destination, *address))
    {
        return Err(target.address_blocked(address));
    }
    race(&addresses)
        .await
        .map_err(|error| with_cause(target.error(HttpErrorKind::Connect, format_args!("no connection")), error))
}

/// The first address that answers. Each gets a head start over the next (RFC 8305).
async fn race(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter();
    let mut dialling = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    dialling.extend(waiting.next().map(|address| TcpStream::connect(*address)));
    loop {
        tokio::select! {
            biased;
            Some(outcome) = dialling.next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    last = error;
                    match waiting.next() {
                        Some(address) => dialling.push(TcpStream::connect(*address)),
                        None if dialling.is_empty() => return Err(last),
                        None => {}
                    }
                }
            },
            () = sleep(NEXT_ADDRESS_AFTER), if waiting.len() > 0 => {
                dialling.extend(waiting.next().map(|address| TcpStream::connect(*address)));
            }
            else => return Err(last),
        }
    }
}

fn server_name(target: &Target) -> Result<ServerName<'static>, HttpError> {
    let name = match (&target.key.server_name, &target.key.host) {
        (Some(name), _) | (None, Host::Domain(name)) => name,
        (None, Host::Ipv4(address)) => return Ok(ServerName::from(IpAddr::V4(*address))),
        (None, Host::Ipv6(address)) => return Ok(ServerName::from(IpAddr::V6(*address))),
    };
    ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(|error| {
        let whose = if target.key.server_name.is_some() { "server name" } else { "host" };
        with_cause(target.error(HttpErrorKind::Tls, format_args!("the {whose} is no name for TLS")), error)
    })
}

fn with_cause(error: HttpError, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> HttpError {
    HttpError { cause: Some(cause.into()), ..error }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_address_that_refuses_does_not_cost_the_next() {
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let open = open.local_addr().unwrap();
        assert_eq!(race(&[closed, closed, open]).await.unwrap().peer_addr().unwrap(), open);
    }

    #[tokio::test]
    async fn when_no_address_answers_the_last_error_tells_why() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(race(&[closed, closed]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(race(&[]).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
