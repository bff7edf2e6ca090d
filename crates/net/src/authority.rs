//! Makes the `:authority` of HTTP/2 requests on a Unix socket one that an HTTP library takes.
//!
//! A Unix socket has no host, so clients call the server what they like. gRPC's C core (and so Python, C++, Ruby, PHP)
//! sends the percent-encoded path of the socket, `tmp%2Fagent%2Fapi.sock`, some versions of grpc-java the path as it
//! is. That is no `host[:port]` (RFC 3986, 3.2), and the HTTP/2 library resets every such stream before a handler sees
//! it (hyperium/h2, pull request 487). On a Unix socket the name means nothing, so it is made harmless in the bytes as
//! they come in: every byte of the value that the library would refuse becomes an `x`.
//!
//! The length stays the same. So frames stay as long as they say, and the entries of HPACK's dynamic table as large as
//! both sides count them (RFC 7541, 4.1); a later request that points to the entry gets the harmless value.
//!
//! What is looked at: the client's preface, the 9 bytes before each frame, and the header blocks (RFC 9113, 6.2 and
//! 6.10; RFC 7541, 6) of HEADERS and CONTINUATION frames, padding and priority apart. What is changed: a literal value
//! that is not Huffman coded and whose name is `:authority`, written out or by its index in the static table. Not found
//! are a name by its index in the dynamic table and a Huffman coded value: no client that sends such an authority is
//! known, and if one does, it is refused as it would be without this. Where the bytes are not HTTP/2, nothing is
//! changed from there on; the HTTP/2 library ends the connection.
//!
//! The state is some fifty bytes, whatever is sent.

mod block;
mod frames;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use frames::Frames;

/// A connection whose incoming requests get an `:authority` that is taken.
pub(crate) struct Mended<S> {
    stream: S,
    frames: Frames,
}

impl<S> Mended<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, frames: Frames::new() }
    }
}

/// Mends the bytes of one connection, which come in these pieces. For the fuzz target.
#[doc(hidden)]
pub fn mend_authorities<'a>(pieces: impl IntoIterator<Item = &'a mut [u8]>) {
    let mut frames = Frames::new();
    for piece in pieces {
        frames.mend(piece);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Mended<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(new) = buf.filled_mut().get_mut(before..) {
            this.frames.mend(new);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Mended<S> {
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

#[cfg(test)]
mod tests;
