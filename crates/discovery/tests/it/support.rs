//! Servers, keys and certificates for tests.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use base64::Engine as _;
use carnet_core::{
    Context, FixedClock, HttpSend, NoCommands, Request, Response, SystemClock, SystemEnvironment, SystemFiles,
    SystemRandom,
};
use carnet_jose::{Algorithm, SigningKey};
use carnet_net::{Client, ClientCertificates, Settings as Network, TlsCertificate, TlsServerConfig};
use carnet_spiffe::{Bundle, SpiffeId, TrustDomain, authority_profile, svid_profile};
use carnet_x509::Authority;
use http::{HeaderName, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

pub(crate) fn domain() -> TrustDomain {
    "example.org".parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    carnet_core::Clock::now(&SystemClock)
}

pub(crate) fn fixed_clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at("2026-11-21T12:00:00Z".parse().unwrap()))
}

/// The real world, but for the environment's proxies.
pub(crate) fn context() -> Context {
    context_with(Arc::new(Client::new(Network::default())))
}

pub(crate) fn context_with(http: Arc<dyn HttpSend>) -> Context {
    Context {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        http,
        environment: Arc::new(SystemEnvironment),
        files: Arc::new(SystemFiles),
        commands: Arc::new(NoCommands),
    }
}

pub(crate) fn key(algorithm: Algorithm, kid: &str) -> SigningKey {
    SigningKey::generate(algorithm).unwrap().with_kid(kid)
}

/// A bundle with these keys and no certificate.
pub(crate) fn bundle(keys: &[&SigningKey]) -> Bundle {
    let jwt_authorities = keys.iter().map(|key| (key.kid().unwrap().to_owned(), key.public_key().unwrap())).collect();
    Bundle { jwt_authorities, ..Bundle::empty(domain()) }
}

pub(crate) fn source(bundle: Bundle) -> watch::Receiver<Option<Arc<Bundle>>> {
    watch::Sender::new(Some(bundle.shared())).subscribe()
}

/// The authority of a trust domain.
pub(crate) fn authority(domain: &TrustDomain) -> Authority {
    let (from, until) = (now() - SignedDuration::from_hours(1), now() + SignedDuration::from_hours(48));
    let profile = authority_profile(domain, vec![("O", "test".to_owned())], None, from, until);
    Authority::self_signed(&profile, Arc::new(SigningKey::generate(Algorithm::Es256).unwrap())).unwrap()
}

/// The certificate of a server that is this workload.
pub(crate) fn svid(authority: &Authority, id: &SpiffeId) -> TlsCertificate {
    let (from, until) = (now() - SignedDuration::from_hours(1), now() + SignedDuration::from_hours(1));
    let issued = authority.issue(&svid_profile(id, &[], from, until)).unwrap();
    TlsCertificate::from_der(&[issued.certificate], &issued.private_key).unwrap()
}

/// A certificate for a web server on loopback with its key, both in PEM.
pub(crate) fn web_pem(authority: &Authority) -> (String, String) {
    let (from, until) = (now() - SignedDuration::from_hours(1), now() + SignedDuration::from_hours(1));
    let id: SpiffeId = "spiffe://example.org/web".parse().unwrap();
    let mut profile = svid_profile(&id, &["localhost".to_owned()], from, until);
    profile.uri.clear();
    profile.ip = vec!["127.0.0.1".parse().unwrap()];
    let issued = authority.issue(&profile).unwrap();
    let key = base64::engine::general_purpose::STANDARD.encode(issued.private_key.expose());
    (issued.certificate_pem(), format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"))
}

/// TLS that always shows this.
pub(crate) fn tls(certificate: TlsCertificate) -> Arc<TlsServerConfig> {
    let source = Arc::new(move || Some(certificate.clone()));
    Arc::new(TlsServerConfig::new(source, ClientCertificates::None).unwrap())
}

/// The router on a listener, until the token is cancelled.
pub(crate) async fn listen(router: Router, tls: Option<Arc<TlsServerConfig>>) -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(carnet_net::serve(listener, router, tls, shutdown.clone()));
    (address, shutdown)
}

/// One request over a socket.
pub(crate) async fn ask(method: Method, url: &str, headers: &[(&'static str, &str)]) -> Response {
    let mut request = Request::new(method, url.parse().unwrap()).timeout(Duration::from_secs(10));
    for (name, value) in headers {
        request.headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    Client::new(Network::default()).send(request).await.unwrap()
}

pub(crate) async fn get(url: &str) -> Response {
    ask(Method::GET, url, &[]).await
}

/// Waits for what another task brings about. Bounded, so that a test that fails ends.
pub(crate) async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it came about in time")
}
