//! PEM in and out (RFC 7468).

use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_cert::der::pem::{LineEnding, encode_string};

use crate::X509Error;

/// Largest PEM text that is looked at, in bytes. The system's own bundle of roots has 220 KB.
const MAX_LENGTH: usize = 4 << 20;

/// The DER of every certificate in a PEM text, in order. Keys and text around them are passed over.
///
/// # Errors
/// When a block is malformed or there is no certificate at all.
pub fn pem_to_der(pem: &[u8]) -> Result<Vec<Vec<u8>>, X509Error> {
    if pem.len() > MAX_LENGTH {
        return Err(X509Error(format!("the PEM text has {} bytes, more than {MAX_LENGTH}", pem.len())));
    }
    let blocks = CertificateDer::pem_slice_iter(pem).map(|block| block.map(|der| der.to_vec()));
    let found = blocks.collect::<Result<Vec<_>, _>>();
    // The reader's own messages quote lines of the file, which may hold a key as well.
    let found = found.map_err(|_quoting| X509Error("the PEM text is malformed".to_owned()))?;
    if found.is_empty() {
        return Err(X509Error("there is no certificate in the PEM text".to_owned()));
    }
    Ok(found)
}

/// One certificate as PEM, lines of 64 characters.
pub fn der_to_pem(der: &[u8]) -> String {
    encode("CERTIFICATE", der)
}

pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    // It fails for labels with control characters and for lengths beyond memory only.
    encode_string(label, LineEnding::LF, der).unwrap_or_default()
}
