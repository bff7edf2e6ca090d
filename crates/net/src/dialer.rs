//! TLS over a connection that speaks something else first, such as that to a database.

use std::{fmt, sync::Arc};

use carnet_core::Error;
use rustls::{ClientConfig, crypto::aws_lc_rs};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::{Settings, roots};

/// Makes TLS sessions over connections that are open already. The server's certificate must be for the name that was
/// meant, under the roots of the settings; there is no way to leave that out.
#[derive(Clone)]
pub struct TlsDialer(Arc<ClientConfig>);

impl TlsDialer {
    /// Believes the roots of these settings, or only those of this PEM text.
    ///
    /// # Errors
    /// When there is no usable root.
    pub fn new(settings: &Settings, ca_pem: Option<&[u8]>) -> Result<Self, Error> {
        let store = match ca_pem {
            Some(pem) => roots::from_pem(pem)?,
            None => roots::load(settings)?,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal("choose TLS versions").because(error))?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// A session with the server of this name or IP address.
    ///
    /// # Errors
    /// When the name is none, or the server is not believed.
    pub async fn connect<S>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| Error::configuration(format!("make a TLS session with {host:?}")).because(error))?;
        let session = TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await;
        session.map_err(|error| Error::unreachable(format!("make a TLS session with {host}")).because(error))
    }
}

impl fmt::Debug for TlsDialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsDialer")
    }
}
