//! TLS where both sides show certificates, and where these change.

use std::sync::{Arc, Mutex};

use axum::{Extension, Router, routing::get as on_get};
use carnet_core::{HttpErrorKind, HttpSend, SecretBytes, X509Identity, chain};
use carnet_net::{
    CertificateSource, ChainVerifier, Client, ClientCertificates, ClientTls, Limits, PeerCertificates, Settings,
    TlsCertificate, TlsServerConfig, serve_with,
};
use carnet_x509::{Authority, Certificate};
use http_body_util::BodyExt;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use crate::{
    http2,
    support::{authority, get, leaf, listen, tls_with},
};

/// A certificate for `localhost` and with this URI.
fn certificate(authority: &Authority, uri: &str) -> TlsCertificate {
    let issued = authority.issue(&leaf(&["localhost"], &[uri])).unwrap();
    TlsCertificate::from_der(&[issued.certificate], &SecretBytes::new(issued.private_key.expose())).unwrap()
}

fn always(certificate: &TlsCertificate) -> CertificateSource {
    let certificate = certificate.clone();
    Arc::new(move || Some(certificate.clone()))
}

/// Believes leaves with exactly this URI. Chains are `x509`'s matter.
fn only(uri: &'static str) -> ChainVerifier {
    Arc::new(move |chain| {
        let leaf = Certificate::from_der(chain.first().unwrap()).map_err(|error| error.to_string())?;
        if leaf.uris() == [uri] { Ok(()) } else { Err(format!("not {uri}")) }
    })
}

fn whoami() -> Router {
    let answer = |peer: Option<Extension<PeerCertificates>>| async move {
        peer.map_or("nobody".to_owned(), |Extension(PeerCertificates(chain))| {
            Certificate::from_der(chain.first().unwrap()).unwrap().uris().concat()
        })
    };
    Router::new().route("/", on_get(answer))
}

const SERVER: &str = "spiffe://example.org/server";
const CLIENT: &str = "spiffe://example.org/client";

/// A server that is [`SERVER`], and its address.
async fn server(authority: &Authority, clients: ClientCertificates) -> String {
    let tls = TlsServerConfig::new(always(&certificate(authority, SERVER)), clients).unwrap();
    let (server, _stop) = listen(whoami(), Some(Arc::new(tls))).await;
    format!("https://127.0.0.1:{}/", server.port())
}

fn client(tls: ClientTls) -> Client {
    Client::new(Settings::default()).with_tls(tls)
}

async fn text(client: &Client, url: &str) -> String {
    client.send(get(url)).await.unwrap().text().unwrap().to_owned()
}

#[tokio::test]
async fn both_sides_know_each_other() {
    let authority = authority();
    let url = server(&authority, ClientCertificates::Required(only(CLIENT))).await;
    let own = always(&certificate(&authority, CLIENT));
    assert_eq!(text(&client(ClientTls::new().identity(own).verifier(only(SERVER))), &url).await, CLIENT);
}

#[tokio::test]
async fn a_client_that_shows_nothing_is_served_where_that_is_optional() {
    let url = server(&authority(), ClientCertificates::Optional(only(CLIENT))).await;
    assert_eq!(text(&client(ClientTls::new().verifier(only(SERVER))), &url).await, "nobody");
}

#[tokio::test]
async fn certificates_that_nobody_asked_for_are_not_seen() {
    let authority = authority();
    let url = server(&authority, ClientCertificates::None).await;
    let own = always(&certificate(&authority, CLIENT));
    assert_eq!(text(&client(ClientTls::new().identity(own).verifier(only(SERVER))), &url).await, "nobody");
}

#[tokio::test]
async fn rejects_a_client_that_shows_nothing_where_that_is_required() {
    let url = server(&authority(), ClientCertificates::Required(only(CLIENT))).await;
    let error = client(ClientTls::new().verifier(only(SERVER))).send(get(&url)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Tls, "{:?}", chain(&error));
}

#[tokio::test]
async fn rejects_a_client_that_is_not_believed_even_where_it_is_optional() {
    let authority = authority();
    let url = server(&authority, ClientCertificates::Optional(only(CLIENT))).await;
    let own = always(&certificate(&authority, "spiffe://example.org/other"));
    let error = client(ClientTls::new().identity(own).verifier(only(SERVER))).send(get(&url)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Tls, "{:?}", chain(&error));
}

#[tokio::test]
async fn rejects_a_server_that_is_not_believed() {
    let url = server(&authority(), ClientCertificates::None).await;
    let error = client(ClientTls::new().verifier(only(CLIENT))).send(get(&url)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Tls);
    assert!(chain(&error).join(": ").contains("not spiffe://example.org/client"), "{:?}", chain(&error));
}

#[tokio::test]
async fn rejects_a_client_that_has_the_certificate_and_not_its_key() {
    let authority = authority();
    let url = server(&authority, ClientCertificates::Required(only(CLIENT))).await;
    let issued = authority.issue(&leaf(&[], &[CLIENT])).unwrap();
    let other = authority.issue(&leaf(&[], &[CLIENT])).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(other.private_key.expose().to_vec()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let stolen = rustls::sign::CertifiedKey::new(vec![issued.certificate.into()], key);
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().to_vec().into()).unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(stolen)));
    let address = url.trim_start_matches("https://").trim_end_matches('/');
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    // In TLS 1.3 the client is done before the server has looked; the alert comes with the first read.
    let error = tokio::io::AsyncReadExt::read(&mut stream, &mut [0]).await.unwrap_err();
    assert!(error.to_string().contains("DecryptError"), "{error}");
}

#[tokio::test]
async fn tls_1_2_proves_a_clients_key_as_well() {
    let authority = authority();
    let url = server(&authority, ClientCertificates::Required(only(CLIENT))).await;
    let issued = authority.issue(&leaf(&[], &[CLIENT])).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().to_vec().into()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(issued.private_key.expose().to_vec()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![issued.certificate.into()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(url.trim_start_matches("https://").trim_end_matches('/')).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    let (mut sender, _connection) = http2::client(stream).await;
    assert_eq!(ask(&mut sender).await, CLIENT);
}

#[tokio::test]
async fn http2_is_spoken_with_those_who_ask_for_it() {
    let authority = authority();
    let url = server(&authority, ClientCertificates::None).await;
    let (_, session, answer) = over_http2(&authority, &url).await;
    assert_eq!(session.as_deref(), Some(b"h2".as_slice()));
    assert_eq!(answer, "nobody");
}

/// A request over a new HTTP/2 connection, with what was agreed on.
async fn over_http2(authority: &Authority, url: &str) -> (http2::Sender, Option<Vec<u8>>, String) {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tcp = TcpStream::connect(url.trim_start_matches("https://").trim_end_matches('/')).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let (mut sender, _connection) = http2::client(stream).await;
    let answer = ask(&mut sender).await;
    (sender, agreed, answer)
}

async fn ask(sender: &mut http2::Sender) -> String {
    let answer = sender.send_request(http2::request("/")).await.unwrap();
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// A certificate that can be replaced, and its source.
fn replaceable() -> (Arc<Mutex<Option<TlsCertificate>>>, CertificateSource) {
    let slot: Arc<Mutex<Option<TlsCertificate>>> = Arc::default();
    let read = Arc::clone(&slot);
    (slot, Arc::new(move || read.lock().unwrap().clone()))
}

#[tokio::test]
async fn a_new_certificate_is_shown_from_then_on_and_open_connections_stay() {
    let (old, new) = (authority(), authority());
    let (slot, source) = replaceable();
    let tls = TlsServerConfig::new(source, ClientCertificates::None).unwrap();
    let (address, _stop) = listen(whoami(), Some(Arc::new(tls))).await;
    let url = format!("https://127.0.0.1:{}/", address.port());
    *slot.lock().unwrap() = Some(certificate(&old, SERVER));
    let (mut open, ..) = over_http2(&old, &url).await;
    *slot.lock().unwrap() = Some(certificate(&new, SERVER));
    over_http2(&new, &url).await;
    assert_eq!(ask(&mut open).await, "nobody");
}

#[tokio::test]
async fn rejects_a_client_while_there_is_no_certificate() {
    let (_slot, source) = replaceable();
    let tls = TlsServerConfig::new(source, ClientCertificates::None).unwrap();
    let (address, _stop) = listen(whoami(), Some(Arc::new(tls))).await;
    let url = format!("https://127.0.0.1:{}/", address.port());
    let error = client(ClientTls::new().verifier(only(SERVER))).send(get(&url)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Tls);
}

#[tokio::test]
async fn a_kept_connection_is_only_for_the_identity_it_was_made_with() {
    let authority = authority();
    let any: ChainVerifier = Arc::new(|_chain| Ok(()));
    let url = server(&authority, ClientCertificates::Required(any)).await;
    let (slot, source) = replaceable();
    let client = client(ClientTls::new().identity(source).verifier(only(SERVER)));
    let error = client.send(get(&url)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Tls);
    assert!(error.message.ends_with("the client has no identity yet"), "{error}");
    for uri in ["spiffe://example.org/a", "spiffe://example.org/b"] {
        *slot.lock().unwrap() = Some(certificate(&authority, uri));
        assert_eq!(text(&client, &url).await, uri);
    }
}

#[tokio::test]
async fn a_kept_connection_is_not_used_when_its_server_is_not_believed_any_more() {
    let url = server(&authority(), ClientCertificates::None).await;
    let believed = Arc::new(Mutex::new(true));
    let asked = Arc::clone(&believed);
    let verifier: ChainVerifier =
        Arc::new(move |_chain| if *asked.lock().unwrap() { Ok(()) } else { Err("withdrawn".to_owned()) });
    let client = client(ClientTls::new().verifier(verifier));
    assert_eq!(text(&client, &url).await, "nobody");
    *believed.lock().unwrap() = false;
    assert_eq!(client.send(get(&url)).await.unwrap_err().kind, HttpErrorKind::Tls);
}

#[tokio::test]
async fn rejects_a_request_with_roots_beside_a_verifier() {
    let authority = authority();
    let url = server(&authority, ClientCertificates::None).await;
    let mut request = get(&url);
    request.ca_pem = Some(authority.certificate_pem().into());
    let error = client(ClientTls::new().verifier(only(SERVER))).send(request).await.unwrap_err();
    assert!(error.message.contains("a verifier of its own"), "{error}");
}

#[tokio::test]
async fn an_identity_goes_with_ordinary_trust_in_the_server() {
    let authority = authority();
    let url = server(&authority, ClientCertificates::Required(only(CLIENT))).await;
    let own = always(&certificate(&authority, CLIENT));
    let mut request = get(&url.replace("127.0.0.1", "localhost"));
    request.ca_pem = Some(authority.certificate_pem().into());
    let client = client(ClientTls::new().identity(own));
    assert_eq!(client.send(request).await.unwrap().text(), Some(CLIENT));
    assert_eq!(client.send(get(&url)).await.unwrap_err().kind, HttpErrorKind::Tls, "the system does not trust it");
}

/// What a route holds of a certificate with this URI.
fn identity(authority: &Authority, uri: &str) -> Arc<X509Identity> {
    let issued = authority.issue(&leaf(&[], &[uri])).unwrap();
    let private_key = SecretBytes::new(issued.private_key.expose());
    Arc::new(X509Identity { chain: vec![issued.certificate], private_key, bundle: Vec::new() })
}

#[tokio::test]
async fn a_requests_own_identity_is_shown_before_the_clients_and_to_no_other_request() {
    let authority = authority();
    let any: ChainVerifier = Arc::new(|_chain| Ok(()));
    let url = server(&authority, ClientCertificates::Required(any)).await;
    let own = always(&certificate(&authority, CLIENT));
    let client = client(ClientTls::new().identity(own).verifier(only(SERVER)));
    for uri in ["spiffe://example.org/a", "spiffe://example.org/b"] {
        let request = get(&url).identity(identity(&authority, uri));
        assert_eq!(client.send(request).await.unwrap().text(), Some(uri));
        assert_eq!(text(&client, &url).await, CLIENT);
    }
}

#[tokio::test]
async fn a_server_of_many_names_sees_what_its_clients_show() {
    let authority = authority();
    let any: ChainVerifier = Arc::new(|_chain| Ok(()));
    let pem = authority.certificate_pem();
    let shown = identity(&authority, CLIENT);
    let tls = tls_with(authority, -1, 1, ClientCertificates::Optional(any));
    let (server, _stop) = listen(whoami(), Some(tls)).await;
    let url = format!("https://localhost:{}/", server.port());
    // The second time TLS could resume a session, and would not ask.
    for _ in 0..2 {
        let client = Client::new(Settings::default());
        let mut request = get(&url);
        request.ca_pem = Some(pem.clone().into());
        assert_eq!(client.send(request.clone()).await.unwrap().text(), Some("nobody"));
        assert_eq!(client.send(request.identity(Arc::clone(&shown))).await.unwrap().text(), Some(CLIENT));
    }
}

#[tokio::test]
async fn rejects_a_requests_identity_that_is_no_certificate_or_goes_over_plain_http() {
    let authority = authority();
    let url = server(&authority, ClientCertificates::None).await;
    let private_key = SecretBytes::new(b"key".to_vec());
    let broken = Arc::new(X509Identity { chain: vec![b"leaf".to_vec()], private_key, bundle: Vec::new() });
    let client = client(ClientTls::new().verifier(only(SERVER)));
    let error = client.send(get(&url).identity(broken)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Tls);
    assert!(error.message.contains("the certificate of the request"), "{error}");
    let plain = get(&url.replace("https", "http")).identity(identity(&authority, CLIENT));
    assert_eq!(client.send(plain).await.unwrap_err().kind, HttpErrorKind::Blocked);
}

#[test]
fn rejects_a_key_of_another_certificate() {
    let authority = authority();
    let [one, other] = [(); 2].map(|()| authority.issue(&leaf(&[], &[CLIENT])).unwrap());
    let error =
        TlsCertificate::from_der(&[one.certificate], &SecretBytes::new(other.private_key.expose())).unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.contains("another certificate")), "{error:?}");
}

#[test]
fn rejects_an_empty_chain() {
    let issued = authority().issue(&leaf(&[], &[CLIENT])).unwrap();
    let error = TlsCertificate::from_der(&[], &SecretBytes::new(issued.private_key.expose())).unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.contains("no certificate")), "{error:?}");
}

#[tokio::test]
async fn an_address_with_too_many_connections_gets_no_more() {
    let authority = authority();
    let tls = TlsServerConfig::new(always(&certificate(&authority, SERVER)), ClientCertificates::None).unwrap();
    let limits = Limits { connections_per_peer: 1, ..Limits::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(serve_with(listener, whoami(), Some(Arc::new(tls)), limits, CancellationToken::new()));
    let (mut open, ..) = over_http2(&authority, &url).await;
    let error = client(ClientTls::new().verifier(only(SERVER))).send(get(&url)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Connect, "{:?}", chain(&error));
    assert_eq!(ask(&mut open).await, "nobody");
}
