//! TLS between this client and these listeners.

use std::net::SocketAddr;

use axum::{Router, routing::get as on_get};
use bytes::Bytes;
use carnet_core::{HttpErrorKind, HttpSend, NewFile, Request, replace_files};
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

#[tokio::test]
async fn a_missing_bundle_is_named() {
    let client = Client::new(Settings { ca_file: Some("/nowhere/ca.pem".into()), ..Settings::default() });
    let (server, _stop) = listen(hello(), Some(tls(authority(), -1, 1))).await;
    let error = client.send(get(&format!("https://localhost:{}/", server.port()))).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Tls);
    assert!(carnet_core::chain(&error).join(": ").contains("/nowhere/ca.pem"));
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
