//! Reading.

use jiff::Timestamp;

/// A certificate that cannot be made, read or believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct X509Error(pub String);

/// What stands in a certificate. Reading is not believing: see [`crate::verify_chain`].
#[derive(Clone, Debug)]
pub struct Certificate {
    // filled in by the implementation
}

impl Certificate {
    /// Parses DER.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        let _ = der;
        todo!()
    }

    /// Parses the first certificate of a PEM text.
    pub fn from_pem(pem: &[u8]) -> Result<Self, X509Error> {
        let _ = pem;
        todo!()
    }

    /// DER.
    pub fn der(&self) -> &[u8] {
        todo!()
    }

    /// PEM.
    pub fn to_pem(&self) -> String {
        todo!()
    }

    /// Values of all subject attributes in order, whatever their type.
    pub fn subject_values(&self) -> Vec<String> {
        todo!()
    }

    /// DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        todo!()
    }

    /// Validity.
    pub fn not_before(&self) -> Timestamp {
        todo!()
    }

    /// Validity.
    pub fn not_after(&self) -> Timestamp {
        todo!()
    }

    /// SHA-1 of the DER, raw. Only for the key ids of OCI's older clients; nothing is trusted because of it.
    pub fn sha1(&self) -> [u8; 20] {
        todo!()
    }

    /// SHA-256 of the DER, raw.
    pub fn sha256(&self) -> [u8; 32] {
        todo!()
    }

    /// URIs of the subject alternative name.
    pub fn uris(&self) -> Vec<String> {
        todo!()
    }
}

/// The DER of every certificate in a PEM text, in order.
pub fn pem_to_der(pem: &[u8]) -> Result<Vec<Vec<u8>>, X509Error> {
    let _ = pem;
    todo!()
}
