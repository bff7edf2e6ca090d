//! The listeners.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    routing::get as on_get,
};
use carnet_core::HttpSend;
use carnet_net::{Limits, serve_with};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

use crate::support::{client, get, listen};

/// Sends bytes and reads until the text is there or the connection ends.
async fn converse(server: SocketAddr, bytes: &[u8], until: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&answer).contains(until) {
            if stream.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reading).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn handlers_see_the_target_as_it_was_sent() {
    let router = Router::new().fallback(|request: Request| async move { format!("<{}>", request.uri()) });
    let (server, _stop) = listen(router, None).await;
    for target in ["/n/ns/b/b1/o/dir%2Fo.txt?x=%2f&y=+", "/a//b/./../c", "/%41?%7E~"] {
        let answer = converse(server, format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(), ">").await;
        assert!(answer.ends_with(&format!("<{target}>")), "{answer}");
    }
}

#[tokio::test]
async fn handlers_see_who_asks() {
    let router =
        Router::new().route("/", on_get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }));
    let (server, _stop) = listen(router, None).await;
    let answer = client().send(get(&format!("http://{server}/"))).await.unwrap();
    assert!(answer.text().unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn a_client_that_waits_for_100_gets_it() {
    let router = Router::new().route("/", axum::routing::put(|body: String| async move { format!("<{body}>") }));
    let (server, _stop) = listen(router, None).await;
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n").await.unwrap();
    let mut head = [0; 25];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"body").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"<body>") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
    }
}

async fn listen_with(router: Router, limits: Limits) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(serve_with(listener, router, None, limits, shutdown.clone()));
    (address, shutdown, running)
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_dropped() {
    let limits = Limits { head: Duration::from_millis(50), ..Limits::default() };
    let (server, _stop, _) = listen_with(Router::new(), limits).await;
    let answer = converse(server, b"GET / HTTP/1.1\r\nHost:", "\0").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn header_bombs_are_refused() {
    let (server, _stop) = listen(Router::new(), None).await;
    let many = "X: 1\r\n".repeat(1000);
    let long = format!("X: {}\r\n", "x".repeat(200 << 10));
    for bomb in [many, long] {
        let answer = converse(server, format!("GET / HTTP/1.1\r\n{bomb}\r\n").as_bytes(), "\r\n\r\n").await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn shutdown_lets_a_running_request_end() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, wait) = (Arc::clone(&entered), Arc::clone(&release));
    let router = Router::new().route(
        "/",
        on_get(move || async move {
            inside.notify_one();
            wait.notified().await;
            "done"
        }),
    );
    let (server, stop, running) = listen_with(router, Limits::default()).await;
    let asking = tokio::spawn(async move { client().send(get(&format!("http://{server}/"))).await });
    entered.notified().await;
    stop.cancel();
    release.notify_one();
    assert_eq!(asking.await.unwrap().unwrap().text(), Some("done"));
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
    assert!(TcpStream::connect(server).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let entered = Arc::new(Notify::new());
    let inside = Arc::clone(&entered);
    let router = Router::new().route(
        "/",
        on_get(move || async move {
            inside.notify_one();
            std::future::pending::<()>().await;
        }),
    );
    let limits = Limits { grace: Duration::from_millis(20), ..Limits::default() };
    let (server, stop, running) = listen_with(router, limits).await;
    let asking = tokio::spawn(async move { client().send(get(&format!("http://{server}/"))).await });
    entered.notified().await;
    stop.cancel();
    assert!(asking.await.unwrap().is_err());
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
}

#[tokio::test]
async fn one_connection_too_many_waits_for_its_turn() {
    let router = Router::new().route("/", on_get(|| async { "<turn>" }));
    let (server, _stop, _) = listen_with(router, Limits { connections: 1, ..Limits::default() }).await;
    let first = TcpStream::connect(server).await.unwrap();
    let second = tokio::spawn(converse(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "<turn>"));
    drop(first);
    assert!(second.await.unwrap().ends_with("<turn>"));
}
