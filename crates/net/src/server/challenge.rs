//! Handshakes: the usual ones, and those by which an ACME authority looks for a proof.

use std::{io, sync::Arc};

use carnet_core::Error;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor, server::TlsStream};

use super::tls::TlsServerConfig;
use crate::certificate::TlsCertificate;

/// What an ACME authority offers that looks for a proof (RFC 8737, 6.2), and nothing else.
const ACME_TLS: &[u8] = b"acme-tls/1";

/// Gives the certificate that proves a name, lower-case, while an authority may look for it (RFC 8737, 3). It is asked at
/// each handshake that offers `acme-tls/1` alone, so it must be quick and never wait.
pub type ChallengeSource = Arc<dyn Fn(&str) -> Option<TlsCertificate> + Send + Sync>;

impl TlsServerConfig {
    /// The handshake of one connection. `None` when it was one that proves a name: it is complete, and the connection is
    /// closed, because nothing is said on it (RFC 8737, 3).
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<Option<TlsStream<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Some(challenges) = &self.challenges else {
            return TlsAcceptor::from(self.rustls()).accept(stream).await.map(Some);
        };
        let started = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = started.client_hello();
        if !is_only_offer(&hello) {
            return started.into_stream(self.rustls()).await.map(Some);
        }
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let Some(proof) = name.as_deref().and_then(|name| challenges(name)) else {
            tracing::debug!("an ACME authority looked for a proof that is not there");
            // The usual configuration does not speak this protocol, and says so (RFC 7301, 3.2).
            return started.into_stream(self.rustls()).await.map(Some);
        };
        let mut proved = started.into_stream(proving(proof).map_err(io::Error::other)?).await?;
        proved.shutdown().await?;
        Ok(None)
    }
}

fn is_only_offer(hello: &ClientHello<'_>) -> bool {
    let mut offered = hello.alpn().into_iter().flatten();
    offered.next() == Some(ACME_TLS) && offered.next().is_none()
}

/// Shows this certificate and speaks `acme-tls/1`.
fn proving(proof: TlsCertificate) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("choose TLS versions").because(error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Proof(proof)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Proof(TlsCertificate);

impl ResolvesServerCert for Proof {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.certified())
    }
}
