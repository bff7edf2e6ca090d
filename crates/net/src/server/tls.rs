//! TLS for listeners: a certificate for each name that a client asks for.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use carnet_core::{Error, SecretBytes};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::challenge::ChallengeSource;
use crate::{
    certificate::{CertificateSource, TlsCertificate},
    verifier::{Believes, ChainVerifier},
};

/// The name asked for when the client sends none, as clients do that connect to an address (RFC 6066, 3).
const DEFAULT_NAME: &str = "localhost";

/// Most names whose certificates are kept. A client can ask for any name, so without a bound it could fill memory.
const MAX_NAMES: usize = 256;

/// A certificate chain with its key.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    /// DER certificates, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Private key of the leaf, PKCS#8 DER.
    pub private_key: SecretBytes,
}

/// Which clients a listener wants certificates of.
#[derive(Clone)]
pub enum ClientCertificates {
    /// None are asked for.
    None,
    /// They are asked for, and a client without one is served as well. One that is not believed fails the handshake.
    Optional(ChainVerifier),
    /// A client without one that is believed fails the handshake.
    Required(ChainVerifier),
}

/// How a listener speaks TLS: versions 1.2 and 1.3.
#[derive(Clone)]
pub struct TlsServerConfig {
    usual: Arc<ServerConfig>,
    pub(super) challenges: Option<ChallengeSource>,
}

impl TlsServerConfig {
    /// Asks `make` for the certificate of each name when a client first wants it, and keeps the last 256. A client
    /// that names none, as when it connects to an address, gets the one of `localhost`. HTTP/1.1 only. Sessions are not
    /// resumed where certificates are asked for, as with [`TlsServerConfig::new`].
    ///
    /// # Errors
    /// When the crypto library knows no TLS version that is wanted, which is a mistake in the build.
    pub fn by_name<F>(make: F, clients: ClientCertificates) -> Result<Self, Error>
    where
        F: Fn(&str) -> Result<ServerCertificate, Error> + Send + Sync + 'static,
    {
        let resumes = matches!(clients, ClientCertificates::None);
        let mut config = server_config(ByName { make: Box::new(make), known: Mutex::default() }, clients)?;
        if !resumes {
            forget_sessions(&mut config);
        }
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { usual: Arc::new(config), challenges: None })
    }

    /// Shows every client the certificate that `certificate` gives at that moment, and speaks HTTP/2 or HTTP/1.1, as
    /// the client prefers (ALPN). A handshake while there is none fails.
    ///
    /// Sessions are not resumed: a resumed one would skip the look at the client's certificate, and saves a server next
    /// to nothing.
    ///
    /// # Errors
    /// When the crypto library knows no TLS version that is wanted, which is a mistake in the build.
    pub fn new(certificate: CertificateSource, clients: ClientCertificates) -> Result<Self, Error> {
        let mut config = server_config(Current(certificate), clients)?;
        forget_sessions(&mut config);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { usual: Arc::new(config), challenges: None })
    }

    /// Proves names to an ACME authority as well (`tls-alpn-01`, RFC 8737): a client that offers `acme-tls/1` and nothing else
    /// is shown the certificate that `challenges` has for the name it asks for, and the connection ends with the handshake.
    /// Where there is none for it, or it names none, the handshake fails. Every other client notices nothing.
    #[must_use]
    pub fn with_challenges(self, challenges: ChallengeSource) -> Self {
        Self { challenges: Some(challenges), ..self }
    }

    pub(super) fn rustls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.usual)
    }
}

/// Shows what the resolver finds, and asks clients for what is wanted of them.
fn server_config(
    resolver: impl ResolvesServerCert + 'static,
    clients: ClientCertificates,
) -> Result<ServerConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("choose TLS versions").because(error))?;
    let (verifier, mandatory) = match clients {
        ClientCertificates::None => (None, false),
        ClientCertificates::Optional(verifier) => (Some(verifier), false),
        ClientCertificates::Required(verifier) => (Some(verifier), true),
    };
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(Arc::new(Believes::new(verifier, &provider, mandatory))),
    };
    Ok(builder.with_cert_resolver(Arc::new(resolver)))
}

fn forget_sessions(config: &mut ServerConfig) {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
}

impl fmt::Debug for TlsServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServerConfig").field("challenges", &self.challenges.is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Optional(_) => "Optional",
            Self::Required(_) => "Required",
        })
    }
}

/// Shows the certificate of the moment.
struct Current(CertificateSource);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = (self.0)().map(|certificate| certificate.certified());
        if current.is_none() {
            tracing::warn!("a TLS client came while there is no certificate to show");
        }
        current
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

type Make = dyn Fn(&str) -> Result<ServerCertificate, Error> + Send + Sync;

struct ByName {
    make: Box<Make>,
    known: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl ByName {
    fn certificate(&self, name: &str) -> Result<Arc<CertifiedKey>, Error> {
        // Making one takes well under a millisecond (P-256), so others may wait for it.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(name) {
            return Ok(Arc::clone(found));
        }
        let made = (self.make)(name)?;
        let certified = TlsCertificate::from_der(&made.chain, &made.private_key)?.certified();
        if known.len() >= MAX_NAMES {
            known.clear();
        }
        known.insert(name.to_owned(), Arc::clone(&certified));
        Ok(certified)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or(DEFAULT_NAME).to_ascii_lowercase();
        self.certificate(&name)
            .inspect_err(|error| tracing::warn!(error = ?error, "no certificate for a TLS client"))
            .ok()
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByName")
    }
}
