//! HTTP/2: how long connections stay, and how they end.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::get as on_get,
};
use carnet_net::{Limits, UnixSocket, serve_unix};
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
    sync::Notify,
    task::JoinHandle,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

pub(crate) type Sender = SendRequest<Empty<Bytes>>;

/// An HTTP/2 client on a stream, and the task that ends with the connection.
pub(crate) async fn client(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> (Sender, JoinHandle<hyper::Result<()>>) {
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

pub(crate) fn request(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://localhost{path}")).body(Empty::new()).unwrap()
}

struct Served {
    path: PathBuf,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

fn serve(folder: &Path, router: Router, limits: Limits) -> Served {
    let path = folder.join("api.sock");
    let socket = UnixSocket::bind(&path, 0o600).unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve_unix(socket, router, limits, stop.clone()));
    Served { path, stop, serving }
}

/// `/` answers at once. `/hours` answers a piece after each of three hours. `/wait` tells `arrived` and answers when
/// told. `/never` begins an answer that does not end.
fn router(arrived: Arc<Notify>, go: Arc<Notify>) -> Router {
    let hours = || async {
        Body::from_stream(stream::unfold(0, |hour| async move {
            sleep(Duration::from_hours(1)).await;
            (hour < 3).then_some((Ok::<_, std::io::Error>(Bytes::from_static(b"hour ")), hour + 1))
        }))
    };
    let never = || async { Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()) };
    let wait = || async move {
        arrived.notify_one();
        go.notified().await;
        "waited"
    };
    Router::new()
        .route("/", on_get(|| async { "hello" }))
        .route("/hours", on_get(hours))
        .route("/wait", on_get(wait))
        .route("/never", on_get(never))
}

fn plain() -> Router {
    router(Arc::default(), Arc::default())
}

async fn text(sender: &mut Sender, path: &str) -> String {
    let answer = sender.send_request(request(path)).await.unwrap();
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn many_requests_share_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), plain(), Limits::default());
    let (sender, _connection) = client(UnixStream::connect(&served.path).await.unwrap()).await;
    let all = (0..50).map(|_| {
        let mut sender = sender.clone();
        async move { text(&mut sender, "/").await }
    });
    assert!(futures_util::future::join_all(all).await.iter().all(|answer| answer == "hello"));
}

/// The client's own HPACK: Huffman codes, table entries, names by index. Nothing of it may be taken for an authority.
#[tokio::test]
async fn headers_of_a_rust_client_come_as_they_were_sent() {
    let folder = tempfile::tempdir().unwrap();
    let echo = |request: axum::extract::Request| async move {
        let headers = request.headers().iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap()));
        format!("{} {}", request.uri(), headers.collect::<Vec<_>>().join("&"))
    };
    let served = serve(folder.path(), Router::new().fallback(echo), Limits::default());
    let (mut sender, _connection) = client(UnixStream::connect(&served.path).await.unwrap()).await;
    for number in 0..500_usize {
        let name = format!("x-name-{}", number % 37);
        let value = format!("{}:authority /tmp%2F{number}", "~%|".repeat(number % 61));
        let mut request = request(&format!("/{number}"));
        request.headers_mut().insert(http::HeaderName::try_from(&name).unwrap(), value.parse().unwrap());
        let answer = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(str::from_utf8(&answer).unwrap(), format!("http://localhost/{number} {name}={value}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_is_not_idleness() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), plain(), Limits::default());
    let (mut sender, _connection) = client(UnixStream::connect(&served.path).await.unwrap()).await;
    assert_eq!(text(&mut sender, "/hours").await, "hour hour hour ");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_requests_ends() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), plain(), Limits { idle: Duration::from_mins(7), ..Limits::default() });
    let (mut sender, connection) = client(UnixStream::connect(&served.path).await.unwrap()).await;
    assert_eq!(text(&mut sender, "/").await, "hello");
    let begin = tokio::time::Instant::now();
    connection.await.unwrap().unwrap();
    let waited = begin.elapsed();
    assert!((Duration::from_mins(7)..Duration::from_mins(8)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_ends() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), plain(), Limits::default());
    for first_words in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r", "GET / HTTP/1.1\r\n"] {
        let mut stream = UnixStream::connect(&served.path).await.unwrap();
        stream.write_all(first_words.as_bytes()).await.unwrap();
        let begin = tokio::time::Instant::now();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
        let waited = begin.elapsed();
        assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&waited), "{first_words:?} {waited:?}");
    }
}

#[tokio::test]
async fn at_shutdown_a_running_request_ends_and_no_other_begins() {
    let folder = tempfile::tempdir().unwrap();
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let served = serve(folder.path(), router(Arc::clone(&arrived), Arc::clone(&go)), Limits::default());
    let (mut sender, connection) = client(UnixStream::connect(&served.path).await.unwrap()).await;
    let running = tokio::spawn({
        let mut sender = sender.clone();
        async move { text(&mut sender, "/wait").await }
    });
    arrived.notified().await;
    served.stop.cancel();
    while served.path.exists() {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    assert_eq!(running.await.unwrap(), "waited");
    connection.await.unwrap().unwrap();
    assert!(sender.send_request(request("/")).await.is_err());
    served.serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_cut_after_the_grace() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), plain(), Limits::default());
    let (mut sender, _connection) = client(UnixStream::connect(&served.path).await.unwrap()).await;
    let answer = sender.send_request(request("/never")).await.unwrap();
    served.stop.cancel();
    assert!(answer.into_body().collect().await.is_err());
    served.serving.await.unwrap();
}

#[tokio::test]
async fn a_handler_ends_with_its_connection() {
    struct Tells(Arc<Notify>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (arrived, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (arrived, dropped) = (Arc::clone(&arrived), Arc::clone(&dropped));
        move || async move {
            let _tells = Tells(dropped);
            arrived.notify_one();
            std::future::pending::<()>().await;
        }
    };
    let served = serve(folder.path(), Router::new().route("/", on_get(handler)), Limits::default());
    let stream = std::os::unix::net::UnixStream::connect(&served.path).unwrap();
    stream.set_nonblocking(true).unwrap();
    let wire = stream.try_clone().unwrap();
    let (mut sender, _connection) = client(UnixStream::from_std(stream).unwrap()).await;
    let asking = tokio::spawn(async move { sender.send_request(request("/")).await });
    arrived.notified().await;
    wire.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(asking.await.unwrap().is_err());
    tokio::time::timeout(Duration::from_secs(5), dropped.notified()).await.unwrap();
}

#[tokio::test]
async fn more_streams_than_allowed_wait_for_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let limits = Limits { streams: 1, ..Limits::default() };
    let served = serve(folder.path(), router(Arc::clone(&arrived), Arc::clone(&go)), limits);
    let (mut sender, _connection) = client(UnixStream::connect(&served.path).await.unwrap()).await;
    // The first answer comes after the server has said how many streams it takes.
    assert_eq!(text(&mut sender, "/").await, "hello");
    let first = tokio::spawn({
        let mut sender = sender.clone();
        async move { text(&mut sender, "/wait").await }
    });
    arrived.notified().await;
    let mut second = Box::pin(text(&mut sender, "/"));
    assert!(futures_util::poll!(&mut second).is_pending());
    go.notify_one();
    assert_eq!(first.await.unwrap(), "waited");
    assert_eq!(second.await, "hello");
}
