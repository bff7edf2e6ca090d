//! What the guard refuses, one test for each, and what it lets through.

use std::sync::atomic::Ordering;

use carnet_core::{Destination, HttpError, HttpErrorKind, HttpSend};

use crate::support::{answers, client, get};

async fn refused(url: &str, destination: Destination) -> HttpError {
    let error = client().send(get(url).destination(destination)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Blocked, "{error}");
    error
}

#[tokio::test]
async fn untrusted_refuses_plain_http() {
    refused("http://gitlab.com/", Destination::Untrusted).await;
}

#[tokio::test]
async fn untrusted_refuses_loopback() {
    refused("https://127.0.0.1/", Destination::Untrusted).await;
}

#[tokio::test]
async fn untrusted_refuses_loopback_written_as_a_number() {
    refused("https://2130706433/", Destination::Untrusted).await;
    refused("https://0x7f.1/", Destination::Untrusted).await;
}

#[tokio::test]
async fn untrusted_refuses_private_networks() {
    refused("https://10.0.0.1/", Destination::Untrusted).await;
}

#[tokio::test]
async fn untrusted_refuses_metadata_services() {
    refused("https://169.254.169.254/", Destination::Untrusted).await;
    refused("https://[fd00:c1::a9fe:a9fe]/", Destination::Untrusted).await;
}

#[tokio::test]
async fn untrusted_refuses_ipv4_inside_ipv6() {
    refused("https://[::ffff:127.0.0.1]/", Destination::Untrusted).await;
    refused("https://[64:ff9b::7f00:1]/", Destination::Untrusted).await;
}

#[tokio::test]
async fn untrusted_refuses_a_name_that_resolves_to_loopback() {
    let (server, visits) = answers("HTTP/1.1 200 OK\r\n\r\n").await;
    let error = refused(&format!("https://localhost:{}/", server.port()), Destination::Untrusted).await;
    assert!(error.message.contains("is not a public address"), "{error}");
    assert_eq!(visits.load(Ordering::SeqCst), 0, "nothing was dialled");
}

#[tokio::test]
async fn metadata_refuses_the_internet() {
    refused("http://1.1.1.1/", Destination::Metadata).await;
}

#[tokio::test]
async fn metadata_refuses_private_networks() {
    refused("http://10.0.0.1/", Destination::Metadata).await;
}

#[tokio::test]
async fn metadata_lets_loopback_through() {
    let (server, _) = answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    for host in ["127.0.0.1", "localhost"] {
        let request = get(&format!("http://{host}:{}/", server.port())).destination(Destination::Metadata);
        assert_eq!(client().send(request).await.unwrap().text(), Some("ok"));
    }
}

#[tokio::test]
async fn credentials_in_a_url_are_refused_and_not_repeated() {
    let error = refused("http://user:hunter2@127.0.0.1/", Destination::Configured).await;
    assert!(!error.message.contains("hunter2") && !error.message.contains("user"), "{error}");
}

#[tokio::test]
async fn other_schemes_are_refused() {
    refused("ftp://127.0.0.1/", Destination::Configured).await;
    refused("file:///etc/passwd", Destination::Configured).await;
}
