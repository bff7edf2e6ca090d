//! Signing with the key of a certificate ("Signing process", IAM Roles Anywhere user guide).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Error, Request, X509Identity, hex};
use carnet_jose::{Algorithm, SigningKey};
use http::{HeaderName, header};

use crate::{
    Scope,
    canonical::{canonicalize, prepare, value},
};

/// A certificate with its key, ready to sign requests.
pub struct CertificateSigner {
    key: SigningKey,
    leaf: String,
    /// Intermediates joined by commas; empty when there are none.
    chain: String,
    serial: String,
}

impl CertificateSigner {
    /// Takes the identity and the serial number of its leaf, big endian as it stands in the certificate. A root at the end of
    /// the chain must have been taken off by the caller: the service wants intermediates only.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when there is no leaf, or the key is neither RSA nor ECDSA on P-256. (The
    /// service takes SHA-256 only, and other curves are signed with longer digests here.)
    pub fn new(identity: &X509Identity, serial: &[u8]) -> Result<Self, Error> {
        let Some((leaf, chain)) = identity.chain.split_first() else {
            return Err(Error::configuration("sign with a certificate: the chain is empty"));
        };
        let key = SigningKey::from_pkcs8(Algorithm::Es256, &identity.private_key)
            .or_else(|_other| SigningKey::from_pkcs8(Algorithm::Rs256, &identity.private_key))
            .map_err(|error| {
                Error::configuration("sign with a certificate: its key is neither ECDSA on P-256 nor RSA")
                    .because(error)
                    .hint("let the authority issue a certificate for a key of one of these types")
            })?;
        let chain: Vec<String> = chain.iter().map(|certificate| STANDARD.encode(certificate)).collect();
        Ok(Self { key, leaf: STANDARD.encode(leaf), chain: chain.join(","), serial: decimal(serial) })
    }

    /// The algorithm's name.
    pub fn algorithm(&self) -> &'static str {
        match self.key.algorithm() {
            Algorithm::Es256 => "AWS4-X509-ECDSA-SHA256",
            _ => "AWS4-X509-RSA-SHA256",
        }
    }

    /// Signs a request: sets `Host`, `X-Amz-Date`, `X-Amz-X509`, `X-Amz-X509-Chain` (if there are intermediates) and
    /// `Authorization`.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when a header is not visible ASCII, [`carnet_core::ErrorKind::Internal`] when the
    /// key does not sign.
    pub fn sign(&self, request: Request, scope: &Scope<'_>) -> Result<Request, Error> {
        let mut request = prepare(request, &scope.date_time(), scope.service)?
            .header(HeaderName::from_static("x-amz-x509"), value("the certificate", &self.leaf)?);
        if !self.chain.is_empty() {
            let name = HeaderName::from_static("x-amz-x509-chain");
            request = request.header(name, value("the certificate chain", &self.chain)?);
        }
        let canonical = canonicalize(&request, scope.service)?;
        let text = scope.string_to_sign(self.algorithm(), &canonical.text);
        let signature = self
            .key
            .sign(text.as_bytes())
            .map_err(|error| Error::internal("sign a request with the key of a certificate").because(error))?;
        let signature = match self.key.algorithm() {
            Algorithm::Es256 => ecdsa_der(&signature),
            _ => signature,
        };
        let authorization = format!(
            "{} Credential={}/{}, SignedHeaders={}, Signature={}",
            self.algorithm(),
            self.serial,
            scope.credential_scope(),
            canonical.signed_headers,
            hex(&signature)
        );
        Ok(request.header(header::AUTHORIZATION, value("the signature", &authorization)?))
    }
}

impl fmt::Debug for CertificateSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateSigner({})", self.serial)
    }
}

/// `R || S` as `SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279, 2.2.3). For P-256 every length fits into one byte.
fn ecdsa_der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    let content = [integer(r), integer(s)].concat();
    tagged(0x30, &content)
}

fn integer(big_endian: &[u8]) -> Vec<u8> {
    let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
    let mut content = big_endian.get(zeros..).unwrap_or_default().to_vec();
    // A first bit that is set would mean a negative number.
    if content.first().is_none_or(|first| first & 0x80 != 0) {
        content.insert(0, 0);
    }
    tagged(0x02, &content)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    [&[tag, length], content].concat()
}

/// A number of any length in decimal, as the service writes serial numbers.
fn decimal(big_endian: &[u8]) -> String {
    // Decimal digits, lowest first.
    let mut digits: Vec<u8> = vec![0];
    for byte in big_endian {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) * 256;
            *digit = u8::try_from(carry % 10).unwrap_or_default();
            carry /= 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or_default());
            carry /= 10;
        }
    }
    digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
}

#[cfg(test)]
mod tests {
    use carnet_core::SecretBytes;
    use proptest::prelude::*;

    use super::*;

    fn identity(algorithm: Algorithm, chain: &[&[u8]]) -> X509Identity {
        let key = SigningKey::generate(algorithm).unwrap();
        X509Identity {
            chain: chain.iter().map(|certificate| certificate.to_vec()).collect(),
            private_key: key.to_pkcs8().unwrap(),
            bundle: Vec::new(),
        }
    }

    fn scope() -> Scope<'static> {
        Scope { time: "2026-11-21T12:00:00Z".parse().unwrap(), region: "eu-central-1", service: "rolesanywhere" }
    }

    fn request() -> Request {
        Request::get("https://rolesanywhere.eu-central-1.amazonaws.com/sessions".parse().unwrap())
    }

    #[test]
    fn the_signature_is_that_of_the_certificates_key() {
        let identity = identity(Algorithm::Rs256, &[b"leaf", b"between"]);
        let signer = CertificateSigner::new(&identity, &[1, 0]).unwrap();
        let request = signer.sign(request(), &scope()).unwrap();
        let authorization = request.headers["authorization"].to_str().unwrap().to_owned();
        let (before, signature) = authorization.split_once("Signature=").unwrap();
        assert_eq!(
            before,
            "AWS4-X509-RSA-SHA256 Credential=256/20261121/eu-central-1/rolesanywhere/aws4_request, SignedHeaders=host;x-amz-date;x-amz-x509;x-amz-x509-chain, "
        );
        assert_eq!(
            (&request.headers["x-amz-x509"], &request.headers["x-amz-x509-chain"]),
            (
                &STANDARD.encode("leaf").parse::<http::HeaderValue>().unwrap(),
                &STANDARD.encode("between").parse::<http::HeaderValue>().unwrap()
            )
        );
        let signature: Vec<u8> = (0..signature.len() / 2)
            .map(|at| u8::from_str_radix(&signature[at * 2..at * 2 + 2], 16).unwrap())
            .collect();
        let text = scope().string_to_sign(signer.algorithm(), &canonicalize(&request, "rolesanywhere").unwrap().text);
        let public = SigningKey::from_pkcs8(Algorithm::Rs256, &identity.private_key).unwrap().public_key().unwrap();
        assert!(public.verify(Algorithm::Rs256, text.as_bytes(), &signature));
    }

    #[test]
    fn ecdsa_signatures_are_asn1() {
        let signer = CertificateSigner::new(&identity(Algorithm::Es256, &[b"leaf"]), &[7]).unwrap();
        let request = signer.sign(request(), &scope()).unwrap();
        let authorization = request.headers["authorization"].to_str().unwrap();
        assert!(authorization.starts_with("AWS4-X509-ECDSA-SHA256 Credential=7/"), "{authorization}");
        assert!(authorization.contains("Signature=30"), "{authorization}");
        assert!(!request.headers.contains_key("x-amz-x509-chain"));
    }

    #[test]
    fn integers_are_short_and_positive() {
        assert_eq!(integer(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(integer(&[0x80, 1]), [2, 3, 0, 0x80, 1]);
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
        assert_eq!(ecdsa_der(&[1, 2]), [0x30, 6, 2, 1, 1, 2, 1, 2]);
    }

    #[test]
    fn rejects_key_of_another_type() {
        let error = CertificateSigner::new(&identity(Algorithm::Es384, &[b"leaf"]), &[1]).unwrap_err();
        assert!(error.to_string().contains("P-256"), "{error}");
    }

    #[test]
    fn rejects_chain_without_leaf() {
        let identity = X509Identity { chain: Vec::new(), private_key: SecretBytes::new(*b"x"), bundle: Vec::new() };
        assert!(CertificateSigner::new(&identity, &[1]).unwrap_err().to_string().contains("empty"));
    }

    proptest! {
        #[test]
        fn serial_numbers_are_decimal(number: u128) {
            prop_assert_eq!(decimal(&number.to_be_bytes()), number.to_string());
        }
    }
}
