//! A stream whose first bytes were read already, to see which protocol is spoken.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// What an HTTP/2 client says first (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream with the bytes that were read of it put back.
pub(super) struct Prefixed<S> {
    first: [u8; PREFACE.len()],
    filled: usize,
    given: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> Prefixed<S> {
    /// Reads until it is clear whether the client speaks HTTP/2: its preface, or a byte that differs from it.
    pub(super) async fn detect(mut stream: S) -> io::Result<(bool, Self)> {
        let mut first = [0; PREFACE.len()];
        let mut filled = 0_usize;
        let http2 = loop {
            let (known, rest) = first.split_at_mut(filled);
            if !PREFACE.starts_with(known) {
                break false;
            }
            if rest.is_empty() {
                break true;
            }
            match stream.read(rest).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled = filled.saturating_add(read),
            }
        };
        Ok((http2, Self { first, filled, given: 0, stream }))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let left = this.first.get(this.given..this.filled).unwrap_or_default();
        if left.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let (now, _) = left.split_at(left.len().min(buf.remaining()));
        buf.put_slice(now);
        this.given = this.given.saturating_add(now.len());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
