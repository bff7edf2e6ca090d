//! One user's processes on a Unix socket.

use std::time::Duration;

use axum::{Router, routing::get};
use carnet_net::{Limits, UnixSocket};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use tokio_util::sync::CancellationToken;

/// What comes back on one more connection while another is held.
async fn second(by_user: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let socket = UnixSocket::bind(&path, 0o600).unwrap();
    let socket = if by_user { socket.counted_by_user() } else { socket };
    let router = Router::new().route("/", get(|| async { "here" }));
    let limits = Limits { connections_per_peer: 1, ..Limits::default() };
    tokio::spawn(carnet_net::serve_unix(socket, router, limits, CancellationToken::new()));
    // Another process of the same user holds the only place.
    let mut held = tokio::process::Command::new("python3")
        .args(["-c", "import socket,sys;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);s.send(b'G');print('held',flush=True);sys.stdin.read()"])
        .arg(&path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = [0; 5];
    held.stdout.as_mut().unwrap().read_exact(&mut line).await.unwrap();
    let mut stream = UnixStream::connect(&path).await.unwrap();
    drop(stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await);
    let mut answer = String::new();
    drop(tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await);
    answer
}

#[tokio::test]
async fn processes_of_one_user_are_counted_together_where_that_is_asked_for() {
    assert!(second(false).await.ends_with("here"));
    assert_eq!(second(true).await, "");
}
