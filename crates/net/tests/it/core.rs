//! What gRPC's C core sends, byte by byte: an authority that is a path, in HPACK as it writes it.

use std::{collections::VecDeque, path::Path};

use axum::{Router, extract::Request, response::IntoResponse, routing::any};
use carnet_net::{Limits, UnixSocket, serve_unix};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};
use tokio_util::sync::CancellationToken;

const AUTHORITY: &str = "tmp%2Fagent%2Fapi.sock";
const HARMLESS: &str = "tmpx2Fagentx2Fapi.sock";

/// Answers 204 when the request is what [`Core::request`] sent under that number, and 400 otherwise.
async fn check(request: Request) -> impl IntoResponse {
    let value = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let number = request.uri().path().trim_start_matches('/');
    let authority = request.uri().authority().map(ToString::to_string);
    let right = authority.as_deref() == Some(HARMLESS)
        && value("user-agent") == "grpc-c/1"
        && value("x-number") == number
        && value(&format!("x-{number}")) == "long ".repeat(20).trim();
    if right { http::StatusCode::NO_CONTENT } else { http::StatusCode::BAD_REQUEST }
}

/// A client that writes every header as a literal with incremental indexing and a name in full, and points to it
/// from then on until it is evicted (RFC 7541, 4.3).
struct Core {
    stream: UnixStream,
    table: VecDeque<(String, String)>,
    size: usize,
    streams: u32,
}

impl Core {
    async fn connect(path: &Path) -> Self {
        let mut stream = UnixStream::connect(path).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
        Self { stream, table: VecDeque::new(), size: 0, streams: 0 }
    }

    fn header(&mut self, block: &mut Vec<u8>, name: &str, value: &str) {
        let known = self.table.iter().position(|one| (one.0.as_str(), one.1.as_str()) == (name, value));
        if let Some(at) = known {
            // The static table has 61 entries; the youngest of the dynamic table comes next.
            let index = 62 + at;
            if index < 127 {
                block.push(0x80 | u8::try_from(index).unwrap());
            } else {
                block.extend([0xff, u8::try_from(index - 127).unwrap()]);
            }
            return;
        }
        block.push(0x40);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
        self.table.push_front((name.to_owned(), value.to_owned()));
        self.size += name.len() + value.len() + 32;
        while self.size > 4096 {
            let (name, value) = self.table.pop_back().unwrap();
            self.size -= name.len() + value.len() + 32;
        }
    }

    /// Sends a request and gives the first byte of the answer's header block; nothing when the stream was reset.
    async fn request(&mut self, number: u32) -> Option<u8> {
        let stream = self.streams * 2 + 1;
        self.streams += 1;
        let number = number.to_string();
        // :scheme http and :method POST from the static table.
        let mut block = vec![0x86, 0x83];
        self.header(&mut block, ":path", &format!("/{number}"));
        self.header(&mut block, ":authority", AUTHORITY);
        self.header(&mut block, "user-agent", "grpc-c/1");
        self.header(&mut block, "x-number", &number);
        self.header(&mut block, &format!("x-{number}"), "long ".repeat(20).trim());
        // END_HEADERS and END_STREAM.
        self.stream.write_all(&frame(1, 0x5, stream, &block)).await.unwrap();
        self.answer(stream).await
    }

    async fn answer(&mut self, stream: u32) -> Option<u8> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.unwrap();
            let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
            self.stream.read_exact(&mut payload).await.unwrap();
            match (kind, u32::from_be_bytes([s0, s1, s2, s3])) {
                (1, answered) if answered == stream => return payload.first().copied(),
                (3, reset) if reset == stream => return None,
                (4, 0) if flags & 1 == 0 => self.stream.write_all(&frame(4, 1, 0, &[])).await.unwrap(),
                (7, _) => return None,
                _ => {}
            }
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn serve(folder: &Path) -> (std::path::PathBuf, CancellationToken) {
    let path = folder.join("api.sock");
    let socket = UnixSocket::bind(&path, 0o600).unwrap();
    let shutdown = CancellationToken::new();
    tokio::spawn(serve_unix(socket, Router::new().fallback(any(check)), Limits::default(), shutdown.clone()));
    (path, shutdown)
}

/// `:status: 204` in the static table (RFC 7541, appendix A).
const NO_CONTENT: Option<u8> = Some(0x80 | 9);

#[tokio::test]
async fn a_path_as_authority_is_served_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _stop) = serve(folder.path());
    let mut client = Core::connect(&path).await;
    for number in 0..2_000 {
        assert_eq!(client.request(number).await, NO_CONTENT, "request {number}");
    }
}

#[tokio::test]
async fn the_authority_comes_from_the_table_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _stop) = serve(folder.path());
    let mut client = Core::connect(&path).await;
    for _ in 0..2 {
        assert_eq!(client.request(7).await, NO_CONTENT);
    }
    assert_eq!(client.table.len(), 5, "the second request added nothing");
}

#[tokio::test]
async fn a_request_in_single_bytes_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _stop) = serve(folder.path());
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let mut block = vec![0x86, 0x83, 0x04, 2, b'/', b'1', 0x41, u8::try_from(AUTHORITY.len()).unwrap()];
    block.extend(AUTHORITY.as_bytes());
    for (name, value) in [("user-agent", "grpc-c/1"), ("x-number", "1"), ("x-1", "long ".repeat(20).trim())] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    let (first, second) = block.split_at(20);
    let request = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        // PADDED, PRIORITY and END_STREAM; the block goes on in a CONTINUATION with END_HEADERS.
        frame(1, 0x29, 1, &[&[3, 0, 0, 0, 0, 15], first, &[0, 0, 0]].concat()),
        frame(9, 0x4, 1, second),
    ]
    .concat();
    for byte in request {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut client = Core { stream, table: VecDeque::new(), size: 0, streams: 1 };
    assert_eq!(client.answer(1).await, NO_CONTENT);
}
