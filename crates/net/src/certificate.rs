//! A certificate chain with its key, ready for TLS.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use carnet_core::{Error, SecretBytes};
use rustls::{InconsistentKeys, crypto::aws_lc_rs::sign::any_supported_type, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use zeroize::Zeroize as _;

/// Gives each certificate a number of its own.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A certificate chain and the key of its leaf, parsed once: what a server shows its clients, or a client its server.
/// Cheap to clone.
#[derive(Clone)]
pub struct TlsCertificate {
    certified: Arc<CertifiedKey>,
    number: u64,
}

/// Where the certificate comes from that is shown in the next handshake; `None` when there is none yet. It is asked at
/// every handshake, so it must be quick and never wait. Connections that are open keep what they were made with.
pub type CertificateSource = Arc<dyn Fn() -> Option<TlsCertificate> + Send + Sync>;

impl TlsCertificate {
    /// From DER: certificates, leaf first, and the leaf's key in PKCS#8.
    ///
    /// # Errors
    /// When there is no certificate, the leaf or the key cannot be read, or they do not belong together.
    pub fn from_der(chain: &[Vec<u8>], private_key: &SecretBytes) -> Result<Self, Error> {
        let chain = chain.iter().map(|certificate| CertificateDer::from(certificate.clone())).collect();
        Self::new(chain, &PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(private_key.expose())))
    }

    /// From PEM: certificates, leaf first, and the leaf's key in PKCS#8, PKCS#1 (`RSA PRIVATE KEY`) or SEC 1
    /// (`EC PRIVATE KEY`). Of several keys the first is taken.
    ///
    /// # Errors
    /// When the texts hold no certificate or no key, the leaf or the key cannot be read, or they do not belong
    /// together.
    pub fn from_pem(chain: &[u8], private_key: &[u8]) -> Result<Self, Error> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Error::configuration("read the PEM certificates of a TLS certificate").because(error))?;
        let mut key = PrivateKeyDer::from_pem_slice(private_key).map_err(|error| {
            Error::configuration("read the PEM private key of a TLS certificate")
                .because(error)
                .hint("an encrypted key cannot be read: decrypt it first")
        })?;
        let made = Self::new(chain, &key);
        key.zeroize();
        made
    }

    /// The self-signed certificate that proves a name to an ACME authority (RFC 8737, 3), DER, and its key in PKCS#8. It is not
    /// looked at, because the TLS library refuses to read a certificate with a critical extension that it does not know;
    /// who made both knows that they belong together.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn acme_proof(certificate: Vec<u8>, private_key: &SecretBytes) -> Result<Self, Error> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(private_key.expose()));
        Self::unchecked(vec![CertificateDer::from(certificate)], &key)
    }

    fn unchecked(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<Self, Error> {
        let key = any_supported_type(key)
            .map_err(|error| Error::configuration("load the private key of a TLS certificate").because(error))?;
        let certified = Arc::new(CertifiedKey::new(chain, key));
        Ok(Self { certified, number: NEXT.fetch_add(1, Ordering::Relaxed) })
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>) -> Result<Self, Error> {
        let made = Self::unchecked(chain, key)?;
        made.certified.keys_match().map_err(|error| {
            let failed = Error::configuration("pair a TLS certificate with its private key");
            match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    failed.hint("the key is of another certificate: take the pair from the same place")
                }
                rustls::Error::NoCertificatesPresented => {
                    failed.hint("there is no certificate: the leaf comes first in the chain")
                }
                other => failed.because(other),
            }
        })?;
        Ok(made)
    }

    /// The certificates, DER, leaf first.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.certified.cert.iter().map(AsRef::as_ref)
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// A number that no other certificate of this process has.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Debug for TlsCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsCertificate({} certificates)", self.certified.cert.len())
    }
}
