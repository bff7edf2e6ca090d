//! The caller's TLS, in the form that the driver takes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use carnet_core::{BoxFuture, Error};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

use crate::tls::{ByteStream, TlsConnector};

/// Makes the connector for one host.
#[derive(Clone)]
pub(super) struct Given(pub(super) Arc<dyn TlsConnector>);

pub(super) struct GivenForHost {
    connector: Arc<dyn TlsConnector>,
    host: String,
}

pub(super) struct Session(Box<dyn ByteStream>);

impl<S: ByteStream + 'static> MakeTlsConnect<S> for Given {
    type Stream = Session;
    type TlsConnect = GivenForHost;
    type Error = Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<GivenForHost, Error> {
        Ok(GivenForHost { connector: Arc::clone(&self.0), host: host.to_owned() })
    }
}

impl<S: ByteStream + 'static> TlsConnect<S> for GivenForHost {
    type Stream = Session;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Session, Error>>;

    fn connect(self, stream: S) -> Self::Future {
        let connecting = self.connector.connect(self.host, Box::new(stream));
        Box::pin(async move { connecting.await.map(Session) })
    }
}

impl TlsStream for Session {
    /// None: the seam does not carry the server's certificate. Its name has been verified instead.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Session {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Session {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
