//! TLS between this client and these listeners.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use axum::{Router, routing::get as on_get};
use bytes::Bytes;
use carnet_core::{Error, ErrorKind, HttpErrorKind, HttpSend, NewFile, Request, replace_files};
use carnet_net::{Client, Settings};

use crate::support::{authority, client, get, listen, tls};

fn hello() -> Router {
    Router::new().route("/", on_get(|| async { "hello" }))
}

#[tokio::test]
async fn a_requests_own_root_is_trusted() {
    let authority = authority();
    let pem = authority.certificate_pem();
    let (server, _stop) = listen(hello(), Some(tls(authority, -1, 1))).await;
    let mut request = get(&format!("https://localhost:{}/", server.port()));
    request.ca_pem = Some(Bytes::from(pem));
    assert_eq!(client().send(request).await.unwrap().text(), Some("hello"));
}

#[tokio::test]
async fn the_roots_of_ssl_cert_file_and_of_carnet_ca_file_are_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (authority(), authority());
    let files = ["one.pem", "other.pem"].map(|name| folder.path().join(name));
    let pems = [one.certificate_pem(), other.certificate_pem()];
    replace_files(&[NewFile::new(&files[0], pems[0].clone()), NewFile::new(&files[1], pems[1].clone())]).unwrap();
    let [ca_file, extra_ca_file] = files.map(Some);
    let client = Client::new(Settings { ca_file, extra_ca_file, ..Settings::default() });
    for authority in [one, other] {
        let (server, _stop) = listen(hello(), Some(tls(authority, -1, 1))).await;
        let answer = client.send(get(&format!("https://localhost:{}/", server.port()))).await.unwrap();
        assert_eq!(answer.text(), Some("hello"));
    }
}

#[tokio::test]
async fn refuses_an_authority_that_is_not_trusted() {
    let (server, _stop) = listen(hello(), Some(tls(authority(), -1, 1))).await;
    let mut request = get(&format!("https://localhost:{}/", server.port()));
    request.ca_pem = Some(Bytes::from(authority().certificate_pem()));
    let error = client().send(request).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Tls);
}

#[tokio::test]
async fn refuses_an_expired_certificate() {
    let authority = authority();
    let pem = authority.certificate_pem();
    let (server, _stop) = listen(hello(), Some(tls(authority, -3, -2))).await;
    let mut request = get(&format!("https://localhost:{}/", server.port()));
    request.ca_pem = Some(Bytes::from(pem));
    let error = client().send(request).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Tls);
    let cause = carnet_core::chain(&error).join(": ");
    assert!(cause.contains("expired") || cause.contains("Expired"), "{cause}");
}

#[tokio::test]
async fn refuses_a_certificate_for_another_name() {
    let authority = authority();
    let pem = authority.certificate_pem();
    let (server, _stop) = listen(hello(), Some(tls(authority, -1, 1))).await;
    // By address the client sends no name, gets the certificate of localhost, and that has no addresses.
    let mut request = get(&format!("https://127.0.0.1:{}/", server.port()));
    request.ca_pem = Some(Bytes::from(pem));
    assert_eq!(client().send(request).await.unwrap_err().kind, HttpErrorKind::Tls);
}

#[tokio::test]
async fn refuses_a_server_that_does_not_speak_tls() {
    let (server, _stop) = listen(hello(), None).await;
    let mut request = get(&format!("https://localhost:{}/", server.port()));
    request.ca_pem = Some(Bytes::from(authority().certificate_pem()));
    let error = client().send(request).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::NotTls);
    assert!(error.message.ends_with("what answers there does not speak TLS"), "{}", error.message);
}

/// What a request over TLS says when SSL_CERT_FILE names this.
async fn refused(server: SocketAddr, bundle: &Path) -> Error {
    let client = Client::new(Settings { ca_file: Some(bundle.to_owned()), ..Settings::default() });
    let error = client.send(get(&format!("https://localhost:{}/", server.port()))).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::TlsSettings, "{error:?}");
    error.into()
}

#[tokio::test]
async fn a_bundle_that_cannot_be_read_is_a_mistake_of_configuration_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let pem = authority().certificate_pem();
    let cut = pem.split_once("-----END").unwrap().0;
    for (name, text) in [("garbage", "\u{0}\u{1}garbage"), ("cut", cut), ("locked", &pem), ("empty", "")] {
        replace_files(&[NewFile::new(at(name), text)]).unwrap();
    }
    std::fs::create_dir(at("folder")).unwrap();
    std::fs::set_permissions(at("locked"), std::fs::Permissions::from_mode(0o000)).unwrap();
    let readable = std::fs::read(at("locked")).is_ok();
    let (server, _stop) = listen(hello(), Some(tls(authority(), -1, 1))).await;
    let mut cases = vec![
        (at("missing"), "it does not exist"),
        (at("folder"), "it is a folder"),
        (at("garbage"), "it holds none"),
        (at("empty"), "it holds none"),
        (PathBuf::from("/dev/null"), "it holds none"),
        (at("cut"), "line 1: the block is cut"),
    ];
    // The superuser reads everything.
    if !readable {
        cases.push((at("locked"), "ermission denied"));
    }
    for (path, why) in cases {
        let error = refused(server, &path).await;
        let said = carnet_core::chain(&error).join(": ");
        assert_eq!((error.kind(), error.kind().exit_code()), (ErrorKind::Configuration, 2), "{said}");
        assert!(
            said.contains(why) && said.contains(&*path.to_string_lossy()) && said.contains("SSL_CERT_FILE"),
            "{said}"
        );
        assert!(error.hints().iter().any(|hint| hint.contains("correct the file or SSL_CERT_FILE")), "{said}");
        assert!(!said.contains('['), "no bytes as numbers: {said}");
        let shown = |hint: &str| carnet_core::redacted(hint) == hint;
        assert!(error.hints().into_iter().all(shown), "the terminal hides what looks like a key: {:?}", error.hints());
    }
}

#[tokio::test]
async fn roots_that_a_request_brings_and_nobody_can_read_are_a_mistake_of_configuration() {
    let (server, _stop) = listen(hello(), Some(tls(authority(), -1, 1))).await;
    let mut request = get(&format!("https://localhost:{}/", server.port()));
    request.ca_pem = Some(Bytes::from_static(b"-----BEGIN CERTIFICATE-----\nAAAA\n"));
    let error = Error::from(client().send(request).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(carnet_core::chain(&error).join(": ").contains("line 1: the block is cut"), "{error:?}");
}

#[tokio::test]
async fn a_handshake_that_fails_is_still_unreachable() {
    let (server, _stop) = listen(hello(), Some(tls(authority(), -1, 1))).await;
    let mut request = get(&format!("https://localhost:{}/", server.port()));
    request.ca_pem = Some(Bytes::from(authority().certificate_pem()));
    assert_eq!(Error::from(client().send(request).await.unwrap_err()).kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn a_kept_tls_connection_is_only_for_the_roots_it_was_made_with() {
    let authority = authority();
    let pem = authority.certificate_pem();
    let (server, _stop) = listen(hello(), Some(tls(authority, -1, 1))).await;
    let client = client();
    let mut request = get(&format!("https://localhost:{}/", server.port()));
    request.ca_pem = Some(Bytes::from(pem));
    client.send(request.clone()).await.unwrap();
    request.ca_pem = Some(Bytes::from(crate::support::authority().certificate_pem()));
    assert_eq!(client.send(request).await.unwrap_err().kind, HttpErrorKind::Tls);
}

/// A request to the server by its address.
fn by_address(server: SocketAddr, pem: &str, name: Option<&str>) -> Request {
    let mut request = get(&format!("https://127.0.0.1:{}/", server.port()));
    request.ca_pem = Some(Bytes::from(pem.to_owned()));
    request.server_name = name.map(str::to_owned);
    request
}

#[tokio::test]
async fn the_certificate_is_of_the_name_that_the_request_gives() {
    let authority = authority();
    let pem = authority.certificate_pem();
    let (server, _stop) = listen(hello(), Some(tls(authority, -1, 1))).await;
    let client = client();
    let answer = client.send(by_address(server, &pem, Some("api.example"))).await.unwrap();
    assert_eq!(answer.text(), Some("hello"));
    // The connection of that name is not taken for the address, nor for another name.
    assert_eq!(client.send(by_address(server, &pem, None)).await.unwrap_err().kind, HttpErrorKind::Tls);
}

#[tokio::test]
async fn rejects_a_server_with_a_certificate_for_another_name_than_the_request_gives() {
    let authority = authority();
    let pem = authority.certificate_pem();
    let (server, _stop) = listen(hello(), Some(tls(authority, -1, 1))).await;
    // An address is no name that is sent: the server shows the certificate of its default name.
    let error = client().send(by_address(server, &pem, Some("127.0.0.2"))).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Tls);
}

#[tokio::test]
async fn rejects_a_server_name_that_is_none_or_goes_over_plain_http() {
    let (server, _stop) = listen(hello(), None).await;
    let pem = authority().certificate_pem();
    let error = client().send(by_address(server, &pem, Some("not a name"))).await.unwrap_err();
    assert!(error.message.contains("the server name is no name"), "{error}");
    let mut plain = get(&format!("http://127.0.0.1:{}/", server.port()));
    plain.server_name = Some("api.example".to_owned());
    assert_eq!(client().send(plain).await.unwrap_err().kind, HttpErrorKind::Blocked);
}
