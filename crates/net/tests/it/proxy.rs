//! Proxies: the tunnel, the absolute form, and what goes past them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::Ordering},
};

use axum::{Router, routing::get as on_get};
use carnet_core::{Destination, HttpErrorKind, HttpSend, MapEnvironment, chain};
use carnet_net::{Client, Limits, Settings, serve_stream};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use crate::support::{answers, authority, get, raw, read_request, tls};

fn through(variables: &[(&str, &str)]) -> Client {
    Client::new(Settings::from_environment(&MapEnvironment::of(variables)))
}

/// A proxy that answers every `CONNECT` itself, as `tls` says, and writes down what it was asked.
async fn tunnelling(tls: Arc<carnet_net::TlsServerConfig>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&seen);
    let (proxy, _) = raw(move |mut stream, _| {
        let (seen, tls) = (Arc::clone(&recorded), Arc::clone(&tls));
        async move {
            let Some(head) = read_request(&mut stream).await else { return };
            seen.lock().unwrap().push(head);
            drop(stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n").await);
            let router = Router::new().route("/", on_get(|| async { "through" }));
            let peer = SocketAddr::from(([127, 0, 0, 1], 1));
            serve_stream(stream, peer, router, Some(tls), Limits::default(), CancellationToken::new()).await;
        }
    })
    .await;
    (proxy, seen)
}

#[tokio::test]
async fn https_goes_through_a_tunnel() {
    let authority = authority();
    let pem = authority.certificate_pem();
    let (proxy, seen) = tunnelling(tls(authority, -1, 1)).await;
    let client = through(&[("HTTPS_PROXY", &format!("http://me:pass%20word@{proxy}"))]);
    let mut request = get("https://issuer.example/");
    request.ca_pem = Some(pem.into());
    assert_eq!(client.send(request.clone()).await.unwrap().text(), Some("through"));
    assert_eq!(client.send(request.destination(Destination::Untrusted)).await.unwrap().text(), Some("through"));
    let seen = seen.lock().unwrap();
    assert!(seen[0].starts_with("CONNECT issuer.example:443 HTTP/1.1\r\nHost: issuer.example:443\r\n"), "{}", seen[0]);
    assert!(seen[0].contains("Proxy-Authorization: Basic bWU6cGFzcyB3b3Jk\r\n"), "{}", seen[0]);
}

#[tokio::test]
async fn http_goes_in_absolute_form() {
    let seen = Arc::new(Mutex::new(String::new()));
    let recorded = Arc::clone(&seen);
    let (proxy, _) = raw(move |mut stream, _| {
        let seen = Arc::clone(&recorded);
        async move {
            *seen.lock().unwrap() = read_request(&mut stream).await.unwrap();
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await);
        }
    })
    .await;
    let client = through(&[("http_proxy", &format!("http://me:pw@{proxy}"))]);
    client.send(get("http://plain.example:8080/a%2Fb?c")).await.unwrap();
    let seen = seen.lock().unwrap();
    assert!(seen.starts_with("GET http://plain.example:8080/a%2Fb?c HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nhost: plain.example:8080\r\n"), "{seen}");
    assert!(seen.contains("\r\nproxy-authorization: Basic bWU6cHc=\r\n"), "{seen}");
}

#[tokio::test]
async fn a_refusing_proxy_is_named_and_its_password_is_not() {
    let (proxy, _) = answers("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await;
    let client = through(&[("https_proxy", &format!("http://me:hunter2@{proxy}"))]);
    let error = client.send(get("https://issuer.example/secret")).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Connect);
    let text = chain(&error).join(": ");
    assert!(text.contains(&format!("through http://{proxy}")) && text.contains("407"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("secret") && !text.contains("me:"), "{text}");
    assert!(!format!("{client:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_proxy_that_does_not_speak_http_is_reported() {
    for noise in ["SOCKS\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nand more than was asked", "HTTP/1.1 99 x\r\n\r\n"] {
        let (proxy, _) = answers(noise).await;
        let client = through(&[("https_proxy", &proxy.to_string())]);
        let error = client.send(get("https://issuer.example/")).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::NotHttp, "{noise:?}");
    }
}

#[tokio::test]
async fn an_endless_answer_to_connect_is_given_up() {
    let (proxy, _) = answers(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(1 << 20))).await;
    let client = through(&[("https_proxy", &proxy.to_string())]);
    let error = client.send(get("https://issuer.example/")).await.unwrap_err();
    assert!(matches!(error.kind, HttpErrorKind::NotHttp | HttpErrorKind::Connect), "{error}");
}

#[tokio::test]
async fn a_tls_proxy_is_refused_with_the_reason() {
    let client = through(&[("https_proxy", "https://user:hunter2@proxy.example:443")]);
    let error = client.send(get("https://issuer.example/")).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Blocked);
    let text = chain(&error).join(": ");
    assert!(text.contains("reached by https") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn loopback_goes_past_the_proxy() {
    let (proxy, asked) = answers("").await;
    let (server, _) = answers("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ndirect").await;
    let client = through(&[("http_proxy", &proxy.to_string())]);
    let answer = client.send(get(&format!("http://{server}/"))).await.unwrap();
    assert_eq!((answer.text(), asked.load(Ordering::SeqCst)), (Some("direct"), 0));
}

#[tokio::test]
async fn a_proxy_is_not_asked_for_a_local_host_on_behalf_of_a_stranger() {
    let (proxy, asked) = answers("HTTP/1.1 200 OK\r\n\r\n").await;
    let client = through(&[("https_proxy", &proxy.to_string())]);
    for url in ["https://10.0.0.1/", "https://metadata.google.internal/", "https://intranet/"] {
        let error = client.send(get(url).destination(Destination::Untrusted)).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::Blocked, "{url}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}
