//! A key, the request for its certificate, and the certificate that came.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{Credential, Error, Material, X509Identity, safe_text};
use carnet_jose::{Algorithm, SigningKey};
use carnet_x509::{Certificate, RequestProfile, X509Error, pem_to_der};
use jiff::Timestamp;

use super::SPIFFE;
use crate::call::Answered;

/// Longest chain that is taken. The deepest ones in use have four certificates.
const MAX_CHAIN: usize = 16;
/// The algorithm of keys that are made here: made in no time, and read by every TLS library.
const ALGORITHM: Algorithm = Algorithm::Es256;

/// A new key with the request for its certificate. The key never leaves this process but in the credential.
pub(super) struct Request {
    key: Arc<SigningKey>,
    csr: String,
}

impl Request {
    /// Makes both. The request names nobody: who is asked decides whose certificate it becomes.
    pub(super) fn make() -> Result<Self, Error> {
        let key = Arc::new(SigningKey::generate(ALGORITHM)?);
        let csr = URL_SAFE_NO_PAD.encode(RequestProfile::default().sign(&key)?);
        Ok(Self { key, csr })
    }

    /// The request as the parameter `csr` has it.
    pub(super) fn csr(&self) -> &str {
        &self.csr
    }

    /// The identity, if what came is a certificate for this key that counts now.
    pub(super) fn complete(self, answered: &Answered, now: Timestamp) -> Result<Credential, Error> {
        let chain = parse_chain(answered.answer.access_token.expose().as_bytes());
        let chain = chain.map_err(|error| answered.malformed("it is not a chain of certificates").because(error))?;
        let Some(leaf) = chain.first() else { return Err(answered.malformed("the chain is empty")) };
        if leaf.spki() != self.key.public_spki() {
            return Err(answered.malformed("the first certificate is for another key"));
        }
        let uris = leaf.uris();
        let [id] = uris.as_slice() else {
            return Err(answered.malformed("the certificate does not name exactly one URI"));
        };
        if !id.starts_with(SPIFFE) || leaf.is_authority() {
            return Err(answered.malformed("the certificate is not that of a workload with a SPIFFE ID"));
        }
        if leaf.not_after() <= now {
            return Err(Error::expired(format!(
                "use the certificate of {}: it ended at {}",
                safe_text(id),
                leaf.not_after()
            ))
            .clause("expired")
            .hint("compare the clock of the authority with this machine's"));
        }
        let (from, to, principal) = (leaf.not_before(), leaf.not_after(), safe_text(id));
        let chain = chain.iter().map(|certificate| certificate.der().to_vec()).collect();
        let private_key = self.key.to_pkcs8()?;
        let made = Credential::new(Material::X509(X509Identity { chain, private_key, bundle: Vec::new() }));
        Ok(made.issued_at(from).expires_at(to).fact("subject", principal))
    }
}

/// Reads the chain in an answer: PEM, leaf first, at most 16 certificates. Nothing of it is verified here: whoever it is
/// shown to does.
///
/// # Errors
/// When it is not that.
pub fn parse_chain(pem: &[u8]) -> Result<Vec<Certificate>, X509Error> {
    let chain = pem_to_der(pem)?;
    if chain.len() > MAX_CHAIN {
        return Err(X509Error(format!("the chain has {} certificates, more than {MAX_CHAIN}", chain.len())));
    }
    chain.iter().map(|der| Certificate::from_der(der)).collect()
}
