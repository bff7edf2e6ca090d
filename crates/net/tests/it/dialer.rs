//! TLS over connections that are open already.

use axum::{Router, routing::get};
use carnet_core::{Error, ErrorKind};
use carnet_net::{Settings, TlsDialer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{authority, listen, tls};

/// What a server answers over a session that was made on an open connection.
async fn ask(
    dialer: &TlsDialer,
    host: &str,
    hours: (i64, i64),
    issuer: carnet_x509::Authority,
) -> Result<String, Error> {
    let router = Router::new().route("/", get(|| async { "here" }));
    let (address, _shutdown) = listen(router, Some(tls(issuer, hours.0, hours.1))).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let mut session = dialer.connect(host, stream).await?;
    session.write_all(b"GET / HTTP/1.1\r\nhost: db\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    drop(session.read_to_string(&mut answer).await);
    Ok(answer)
}

fn believing(issuer: &carnet_x509::Authority) -> TlsDialer {
    TlsDialer::new(&Settings::default(), Some(issuer.certificate_pem().as_bytes())).unwrap()
}

#[tokio::test]
async fn an_open_connection_becomes_a_session_with_the_server_that_was_meant() {
    let root = authority();
    let answer = ask(&believing(&root), "db.example", (-1, 1), root).await.unwrap();
    assert!(answer.ends_with("here"), "{answer}");
}

#[tokio::test]
async fn rejects_a_server_under_another_root() {
    let error = ask(&believing(&authority()), "db.example", (-1, 1), authority()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn rejects_a_server_whose_certificate_has_expired() {
    let root = authority();
    assert!(ask(&believing(&root), "db.example", (-2, -1), root).await.is_err());
}

#[tokio::test]
async fn rejects_a_name_that_is_none() {
    let root = authority();
    let error = ask(&believing(&root), "not a name", (-1, 1), root).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}
