//! Servers that behave as a test wants.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use base64::Engine as _;
use carnet_core::{Clock, Request, SecretBytes, SystemClock};
use carnet_jose::Algorithm;
use carnet_net::{Client, ClientCertificates, ServerCertificate, Settings, TlsServerConfig};
use carnet_x509::{Authority, Issued, LeafProfile};
use jiff::SignedDuration;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// Short enough not to be felt, long enough for a loopback exchange on a busy machine.
pub(crate) const SHORT: Duration = Duration::from_millis(150);

/// A server that hands each connection, with its number, to a script.
pub(crate) async fn raw<F, Fut>(script: F) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Fn(TcpStream, usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = counting.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(script(stream, number));
        }
    });
    (address, count)
}

/// Reads one request: the head and as much body as `content-length` says. `None` when the client has gone.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A server that answers each connection's first request with these bytes and closes.
pub(crate) async fn answers(bytes: impl Into<Vec<u8>>) -> (SocketAddr, Arc<AtomicUsize>) {
    let bytes: Arc<[u8]> = bytes.into().into();
    raw(move |mut stream, _| {
        let bytes = Arc::clone(&bytes);
        async move {
            use tokio::io::AsyncWriteExt;
            read_request(&mut stream).await;
            drop(stream.write_all(&bytes).await);
        }
    })
    .await
}

/// The router on a listener, until the token is cancelled.
pub(crate) async fn listen(router: Router, tls: Option<Arc<TlsServerConfig>>) -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(carnet_net::serve(listener, router, tls, shutdown.clone()));
    (address, shutdown)
}

pub(crate) fn client() -> Client {
    Client::new(Settings::default())
}

pub(crate) fn get(url: &str) -> Request {
    Request::get(url.parse().unwrap()).timeout(Duration::from_secs(5))
}

/// An authority whose leaves are valid from and until so many hours from now.
pub(crate) fn authority() -> Authority {
    let now = SystemClock.now();
    let end = now + SignedDuration::from_hours(48);
    Authority::root("test root", Algorithm::Es256, now - SignedDuration::from_hours(48), end).unwrap()
}

/// TLS whose every name has a certificate of this authority.
pub(crate) fn tls(authority: Authority, from_hours: i64, until_hours: i64) -> Arc<TlsServerConfig> {
    tls_with(authority, from_hours, until_hours, ClientCertificates::None)
}

pub(crate) fn tls_with(
    authority: Authority,
    from_hours: i64,
    until_hours: i64,
    clients: ClientCertificates,
) -> Arc<TlsServerConfig> {
    let now = SystemClock.now();
    let make = move |name: &str| {
        let profile = LeafProfile {
            subject: vec![("CN", "test".to_owned())],
            dns: vec![name.to_owned()],
            ip: Vec::new(),
            uri: Vec::new(),
            server: true,
            client: false,
            not_before: now + SignedDuration::from_hours(from_hours),
            not_after: now + SignedDuration::from_hours(until_hours),
            key: Algorithm::Es256,
        };
        let issued = authority.issue(&profile).unwrap();
        Ok(ServerCertificate {
            chain: vec![issued.certificate],
            private_key: SecretBytes::new(issued.private_key.expose().to_vec()),
        })
    };
    let config = TlsServerConfig::by_name(make, clients);
    Arc::new(config.unwrap())
}

/// A leaf for a server and a client, valid now.
pub(crate) fn leaf(dns: &[&str], uri: &[&str]) -> LeafProfile {
    let now = SystemClock.now();
    LeafProfile {
        subject: vec![("CN", "test".to_owned())],
        dns: dns.iter().map(ToString::to_string).collect(),
        ip: Vec::new(),
        uri: uri.iter().map(ToString::to_string).collect(),
        server: true,
        client: true,
        not_before: now - SignedDuration::from_hours(1),
        not_after: now + SignedDuration::from_hours(1),
        key: Algorithm::Es256,
    }
}

/// The private key of a leaf in PEM.
pub(crate) fn key_pem(issued: &Issued) -> String {
    let lines = base64::engine::general_purpose::STANDARD.encode(issued.private_key.expose());
    format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n")
}
