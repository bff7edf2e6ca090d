//! Listeners behind proxies.

use std::net::SocketAddr;

use axum::{Extension, Router, extract::ConnectInfo, routing::get as on_get};
use carnet_core::{HttpSend as _, Request};
use carnet_net::{ForwardedPeer, Limits, TrustedProxies, listen, serve_behind};
use http::{HeaderName, HeaderValue};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::support::{client, get};

/// A listener that says who asks, with these proxies before it.
fn start(proxies: &[&str], limits: Limits) -> SocketAddr {
    let proxies: Vec<String> = proxies.iter().map(ToString::to_string).collect();
    let who = |client: Option<Extension<ForwardedPeer>>, peer: Extension<ConnectInfo<SocketAddr>>| async move {
        assert!(peer.0.0.ip().is_loopback(), "the peer of the connection stays what it is");
        client.map_or_else(|| "itself".to_owned(), |client| client.0.to_string())
    };
    let router = Router::new().route("/", on_get(who));
    let listener = listen("tests", "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let proxies = TrustedProxies::parse(&proxies).unwrap();
    tokio::spawn(serve_behind(proxies, listener, router, None, limits, CancellationToken::new()));
    address
}

fn forwarded(address: SocketAddr, list: &str) -> Request {
    let name = HeaderName::from_static("x-forwarded-for");
    get(&format!("http://{address}/")).header(name, HeaderValue::from_str(list).unwrap())
}

#[tokio::test]
async fn a_trusted_proxy_says_who_asks() {
    let address = start(&["127.0.0.0/8"], Limits::default());
    let answer = client().send(forwarded(address, "10.9.9.9, 192.0.2.7")).await.unwrap();
    assert_eq!(answer.text(), Some("192.0.2.7"));
    let answer = client().send(get(&format!("http://{address}/"))).await.unwrap();
    assert_eq!(answer.text(), Some("proxy:127.0.0.1"));
}

#[tokio::test]
async fn rejects_what_somebody_else_says() {
    for proxies in [&[][..], &["192.0.2.0/24"], &["::1"]] {
        let address = start(proxies, Limits::default());
        assert_eq!(client().send(forwarded(address, "192.0.2.7")).await.unwrap().text(), Some("itself"));
    }
}

#[tokio::test]
async fn connections_of_proxies_are_not_counted_as_those_of_one_peer() {
    let limits = Limits { connections_per_peer: 1, ..Limits::default() };
    for (proxies, answers) in [(&["127.0.0.1"][..], true), (&[], false)] {
        let address = start(proxies, limits);
        let _held = TcpStream::connect(address).await.unwrap();
        let outcome = client().send(forwarded(address, "192.0.2.7")).await;
        assert_eq!(outcome.is_ok(), answers, "{proxies:?}: {outcome:?}");
    }
}
