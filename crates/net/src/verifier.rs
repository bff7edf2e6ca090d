//! Verifiers of certificate chains that the caller brings, as the TLS library wants them.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Decides whether a peer's certificates are believed: DER, leaf first, as the peer sent them, so they may be anything.
/// All checks of the chain are its own: the path to an authority, dates, names, usages. That the peer has the leaf's
/// key is checked apart from it. An error is the reason, for the log; the peer sees an alert without it. It is asked in
/// the middle of a handshake and must not wait.
pub type ChainVerifier = Arc<dyn Fn(&[Vec<u8>]) -> Result<(), String> + Send + Sync>;

/// Asks the caller's verifier about the chain, and checks the handshake's signature with the leaf's key.
pub(crate) struct Believes {
    verifier: ChainVerifier,
    algorithms: WebPkiSupportedAlgorithms,
    mandatory: bool,
}

impl Believes {
    /// `mandatory`: whether a client without a certificate is refused.
    pub(crate) fn new(verifier: ChainVerifier, provider: &CryptoProvider, mandatory: bool) -> Self {
        Self { verifier, algorithms: provider.signature_verification_algorithms, mandatory }
    }

    fn believe(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        let chain: Vec<Vec<u8>> = std::iter::once(leaf).chain(others).map(|one| one.to_vec()).collect();
        (self.verifier)(&chain).map_err(|reason| {
            tracing::debug!(reason = %carnet_core::safe_text(&reason), "a peer's certificates are not believed");
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Unbelieved(reason)))))
        })
    }
}

/// Why a chain is not believed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unbelieved(String);

impl ClientCertVerifier for Believes {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // No hints: which authorities are believed changes, and clients with one identity do not choose.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.believe(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Believes {
    /// The name that was dialled is not looked at: who the server must be is for the caller's verifier to say.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.believe(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for Believes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Believes").field("mandatory", &self.mandatory).finish_non_exhaustive()
    }
}
