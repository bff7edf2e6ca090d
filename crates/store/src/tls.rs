//! TLS to a database server, made by somebody else: this crate knows no TLS.

use std::{fmt, sync::Arc};

use carnet_core::{BoxFuture, Error};
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection, plain or within TLS.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

/// Makes a TLS session over a connection to a database server.
///
/// Whoever implements it verifies the certificate and the name, always: a server that is not verified can be anybody.
/// The server has already agreed to TLS (PostgreSQL's SSLRequest), so the handshake begins at once.
pub trait TlsConnector: Send + Sync + fmt::Debug {
    /// The session with the server of this name.
    fn connect(
        &self,
        host: String,
        stream: Box<dyn ByteStream>,
    ) -> BoxFuture<'static, Result<Box<dyn ByteStream>, Error>>;
}

/// The connector that the caller gave, if any.
pub(crate) type Connector = Option<Arc<dyn TlsConnector>>;
