//! TLS with an identity of one's own, and with a verifier of one's own.

use std::{fmt, sync::Arc};

use carnet_core::Error;
use rustls::{
    ClientConfig, SignatureScheme,
    client::{ResolvesClientCert, Resumption},
    crypto::aws_lc_rs,
    sign::CertifiedKey,
};

use crate::{
    certificate::{CertificateSource, TlsCertificate},
    verifier::{Believes, ChainVerifier},
};

/// Who a client is in TLS, and whom it believes. Without any of it: nobody, and servers that have a certificate for the
/// name that was dialled under the trusted roots.
#[derive(Clone, Default)]
pub struct ClientTls {
    identity: Option<CertificateSource>,
    verifier: Option<ChainVerifier>,
}

impl ClientTls {
    /// As a client is without it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows the certificate that `identity` gives at that moment to servers that ask for one. While there is none,
    /// requests over TLS fail. A kept connection is used only for the identity it was made with.
    #[must_use]
    pub fn identity(mut self, identity: CertificateSource) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Believes the servers that `verifier` believes, whatever name was dialled; the trusted roots are not looked at,
    /// and a request may not bring its own (`Request::ca_pem`). A kept connection is shown to the verifier again before
    /// each request, so what has ceased to be believed is not used any more.
    #[must_use]
    pub fn verifier(mut self, verifier: ChainVerifier) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Whether requests bring no roots of their own to this.
    pub(super) fn has_verifier(&self) -> bool {
        self.verifier.is_some()
    }

    /// Who the client is now.
    ///
    /// # Errors
    /// When it is to be somebody and is not yet.
    pub(super) fn current(&self) -> Result<Option<TlsCertificate>, Error> {
        let Some(identity) = &self.identity else { return Ok(None) };
        identity().map(Some).ok_or_else(|| Error::not_here("find the client's own certificate for TLS"))
    }

    /// Whether a chain that was believed once still is.
    pub(super) fn still_believes(&self, chain: &[Vec<u8>]) -> bool {
        self.verifier.as_ref().is_none_or(|verifier| verifier(chain).is_ok())
    }

    /// TLS that believes whom the verifier believes, if there is one.
    pub(super) fn config(&self) -> Result<Option<Arc<ClientConfig>>, Error> {
        let Some(verifier) = &self.verifier else { return Ok(None) };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let believes = Believes::new(Arc::clone(verifier), &provider, true);
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal("choose TLS versions").because(error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(believes))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would skip the verifier.
        config.resumption = Resumption::disabled();
        Ok(Some(Arc::new(config)))
    }
}

/// The same TLS, as somebody. Sessions are not resumed: a session is of the identity it was made with.
pub(super) fn as_identity(config: Arc<ClientConfig>, identity: Option<&TlsCertificate>) -> Arc<ClientConfig> {
    let Some(identity) = identity else { return config };
    let mut config = Arc::unwrap_or_clone(config);
    config.client_auth_cert_resolver = Arc::new(Always(identity.certified()));
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// Shows one certificate whenever one is asked for.
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _hints: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Which authorities a server hints at is not looked at: there is one identity, and the server decides.
        self.0.key.choose_scheme(schemes).map(|_signer| Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl fmt::Debug for Always {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Always")
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("identity", &self.identity.is_some())
            .field("verifier", &self.verifier.is_some())
            .finish()
    }
}
