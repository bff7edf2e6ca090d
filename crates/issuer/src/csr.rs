//! What a certificate request may ask for.

use carnet_core::{Error, safe_text};
use carnet_jose::{Algorithm, PublicKey};
use carnet_spiffe::SpiffeId;
use carnet_x509::CertificateRequest;

/// Keys of leaves: what every TLS library takes. Sizes of RSA keys are looked at when the key is parsed.
const KEYS: [Algorithm; 3] = [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256];
/// Largest RSA key of a leaf, in bytes of its SubjectPublicKeyInfo: 4096 bits take 550. A larger one only costs the verifiers.
const MAX_SPKI: usize = 600;

/// The key of a request (DER SubjectPublicKeyInfo) that may have a certificate for `id`: it is signed by its own key, asks for no other
/// identity, and its key is of a type that is taken. Everything else that it asks for is not looked at, because the certificate does
/// not say it.
///
/// # Errors
/// Clause `csr`, `csr-identity` or `csr-key`.
pub(crate) fn key_of_request(der: &[u8], id: &SpiffeId) -> Result<Vec<u8>, Error> {
    let request = CertificateRequest::from_der(der)
        .map_err(|error| Error::refused("read the certificate request").clause("csr").because(error))?;
    if let Some(foreign) = request.uris().iter().find(|uri| uri.as_str() != id.as_str()) {
        let what = format!("the certificate request asks for {}, and this is {id}", safe_text(foreign));
        return Err(Error::refused(what)
            .clause("csr-identity")
            .hint("leave the identity out of the request: the authority writes it"));
    }
    let key = PublicKey::from_spki(request.spki())
        .map_err(|error| Error::refused("use the key of the certificate request").clause("csr-key").because(error))?;
    if !KEYS.into_iter().any(|algorithm| key.allows(algorithm)) || request.spki().len() > MAX_SPKI {
        return Err(Error::refused("the key of the certificate request is not of a type that is taken")
            .clause("csr-key")
            .hint("use a P-256 or P-384 key, or RSA with 2048 to 4096 bits"));
    }
    Ok(request.spki().to_vec())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carnet_jose::SigningKey;
    use carnet_x509::RequestProfile;

    use super::*;

    fn id() -> SpiffeId {
        "spiffe://example.org/web".parse().unwrap()
    }

    fn request(uri: &[&str]) -> Vec<u8> {
        let key = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
        let uri = uri.iter().map(|&uri| uri.to_owned()).collect();
        RequestProfile { uri, ..RequestProfile::default() }.sign(&key).unwrap()
    }

    fn clause(der: &[u8]) -> Option<String> {
        key_of_request(der, &id()).err().and_then(|error| error.failed_clause().map(str::to_owned))
    }

    #[test]
    fn accepts_a_request_without_identity_and_one_with_the_right_one() {
        assert_eq!(clause(&request(&[])), None);
        assert_eq!(clause(&request(&["spiffe://example.org/web"])), None);
    }

    #[test]
    fn rejects_a_foreign_identity() {
        let expected = Some("csr-identity".to_owned());
        assert_eq!(clause(&request(&["spiffe://example.org/admin"])), expected);
        assert_eq!(clause(&request(&["spiffe://example.org/web", "spiffe://example.org/admin"])), expected);
    }

    #[test]
    fn rejects_a_request_that_its_key_did_not_sign() {
        let mut der = request(&[]);
        *der.last_mut().unwrap() ^= 1;
        assert_eq!(clause(&der), Some("csr".to_owned()));
        assert_eq!(clause(b"no request"), Some("csr".to_owned()));
    }
}
