//! Unix sockets: where they are put, and what their requests know of who connected.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::Path,
    process::{self, Command, Stdio},
    sync::Arc,
};

use axum::{Extension, Router, routing::get as on_get};
use carnet_core::{ErrorKind, HttpErrorKind, HttpSend};
use carnet_net::{Client, Limits, Peer, UnixSocket, serve_unix};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use crate::support::get;

fn whoami() -> Router {
    let answer = |Extension(peer): Extension<Peer>| async move {
        format!("{peer} {:?} {:?}", peer.has_exited(), peer.pidfd_is_peer)
    };
    Router::new().route("/", on_get(answer))
}

/// The router on a new socket in a folder, until the token is cancelled.
fn listen(folder: &Path, router: Router, limits: Limits) -> (std::path::PathBuf, CancellationToken) {
    let path = folder.join("api.sock");
    let socket = UnixSocket::bind(&path, 0o600).unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(serve_unix(socket, router, limits, shutdown.clone()));
    (path, shutdown)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_request_knows_who_connected() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _stop) = listen(folder.path(), whoami(), Limits::default());
    let answer = Client::unix(&path).send(get("http://localhost/")).await.unwrap();
    let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let expected = format!("pid {} uid {} gid {} Some(false) ", process::id(), own.0, own.1);
    let text = answer.text().unwrap();
    assert!(text == format!("{expected}true") || (text == format!("{expected}false") && !peer_pidfd()), "{text}");
}

/// Whether this kernel gives a descriptor for a socket's peer.
fn peer_pidfd() -> bool {
    let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    nix::sys::socket::getsockopt(&one, nix::sys::socket::sockopt::PeerPidfd).is_ok()
}

#[test]
fn a_peer_that_has_ended_is_told_from_one_that_has_not() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let pidfd = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    let peer = Peer { pid: Some(pid), uid: 0, gid: 0, pidfd: Some(Arc::new(pidfd)), pidfd_is_peer: true };
    assert_eq!(peer.has_exited(), Some(false));
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(peer.has_exited(), Some(true));
    assert_eq!(Peer { pidfd: None, ..peer }.has_exited(), None);
}

#[tokio::test]
async fn a_socket_gets_its_mode_and_goes_with_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    for mode_bits in [0o600, 0o777, 0o660] {
        let socket = UnixSocket::bind(&path, mode_bits).unwrap();
        assert_eq!(mode(&path), mode_bits);
        assert_eq!(socket.path(), path);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the name it was made under is gone");
        drop(socket);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_missing_folder_is_made_when_that_is_asked_for() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run").join("api.sock");
    let error = UnixSocket::bind(&path, 0o600).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.hints().iter().any(|hint| hint.starts_with("create the folder ")), "{:?}", error.hints());
    drop(UnixSocket::bind_in_folder(&path, 0o600, 0o711).unwrap());
    assert_eq!(mode(path.parent().unwrap()), 0o711);
    drop(UnixSocket::bind_in_folder(&path, 0o600, 0o700).unwrap());
    assert_eq!(mode(path.parent().unwrap()), 0o711, "a folder that is there stays as it is");
}

#[tokio::test]
async fn rejects_a_path_where_a_server_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _stop) = listen(folder.path(), whoami(), Limits::default());
    let error = UnixSocket::bind(&path, 0o600).unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.starts_with("another server answers there")), "{error:?}");
    assert_eq!(Client::unix(&path).send(get("http://localhost/")).await.unwrap().status.as_u16(), 200);
}

#[tokio::test]
async fn rejects_a_path_of_something_that_is_no_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    let error = UnixSocket::bind(&path, 0o600).unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.contains("not a socket")), "{error:?}");
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
}

#[tokio::test]
async fn rejects_a_path_that_is_too_long() {
    let path = Path::new("/tmp").join("a".repeat(120)).join("api.sock");
    let error = UnixSocket::bind(&path, 0o600).unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.contains("107 bytes")), "{error:?}");
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    drop(UnixListener::bind(&path).unwrap());
    let (path, _stop) = listen(folder.path(), whoami(), Limits::default());
    assert_eq!(Client::unix(&path).send(get("http://localhost/")).await.unwrap().status.as_u16(), 200);
}

#[tokio::test]
async fn a_socket_that_took_the_place_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let first = UnixSocket::bind(&path, 0o600).unwrap();
    fs::remove_file(&path).unwrap();
    let second = UnixSocket::bind(&path, 0o600).unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_process_with_too_many_connections_gets_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { connections_per_peer: 1, ..Limits::default() };
    let (path, _stop) = listen(folder.path(), whoami(), limits);
    let client = Client::unix(&path);
    client.send(get("http://localhost/")).await.unwrap();
    let mut second = tokio::net::UnixStream::connect(&path).await.unwrap();
    assert_eq!(second.read(&mut [0; 1]).await.unwrap(), 0, "closed without a word");
    client.send(get("http://localhost/")).await.unwrap();
}

#[tokio::test]
async fn https_is_not_spoken_on_a_unix_socket() {
    let error = Client::unix("/nowhere/api.sock").send(get("https://localhost/")).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Blocked);
    assert!(error.message.contains("/nowhere/api.sock"), "{error}");
}

#[tokio::test]
async fn a_missing_socket_is_named() {
    let error = Client::unix("/nowhere/api.sock").send(get("http://localhost/")).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Connect);
    assert!(error.message.contains("/nowhere/api.sock"), "{error}");
}
