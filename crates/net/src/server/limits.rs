//! What a listener bears.

use std::time::Duration;

/// What a listener bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at once; more wait in the kernel's queue. An HTTP/2 connection on a Unix socket with a stream
    /// of answers takes some 28 KB of memory (measured with 1,000 of them; nearly all of it are the buffers that the
    /// HTTP/2 library makes for each connection), and a file descriptor, two on a Unix socket.
    pub connections: usize,
    /// Most connections at once of one peer: of one address (IPv6: of one /64), on a Unix socket of one process (those
    /// that have no number here count as one). One more is closed as soon as it is accepted. By default only
    /// `connections` counts.
    pub connections_per_peer: usize,
    /// Most requests at once on one HTTP/2 connection (`SETTINGS_MAX_CONCURRENT_STREAMS`).
    pub streams: u32,
    /// Longest time for a TLS handshake, for the head of an HTTP/1.1 request, and between two of them; on a Unix
    /// socket also until the client has shown which protocol it speaks.
    pub head: Duration,
    /// Longest time that an HTTP/2 connection stays open without a request. A request lasts until the last byte of
    /// its answer, so a stream of answers may go on for as long as its handler wants.
    pub idle: Duration,
    /// Largest head of a request, in bytes. OCI and SPIFFE tokens ride in headers, so this is larger than usual.
    pub head_bytes: usize,
    /// Most header lines of an HTTP/1.1 request. In HTTP/2 `head_bytes` bounds them, each counted with 32 more
    /// (RFC 9113, 6.5.2).
    pub headers: usize,
    /// How long requests may go on after shutdown was asked for.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_peer: usize::MAX,
            streams: 200,
            head: Duration::from_secs(10),
            idle: Duration::from_mins(5),
            head_bytes: 64 << 10,
            headers: 100,
            grace: Duration::from_secs(5),
        }
    }
}
