//! Certificates and keys as PEM.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use zeroize::Zeroizing;

/// PEM text, which may be that of a key, so it is wiped after it was written.
pub(super) struct Pem(Zeroizing<String>);

impl Pem {
    /// PEM (RFC 7468, 2): lines of 64 characters.
    pub(super) fn new(label: &str, der: &[u8]) -> Self {
        const LINE: usize = 48;
        // Sized at once, so that no half of a key stays behind in a buffer that was outgrown.
        let mut text = Zeroizing::new(String::with_capacity(der.len().saturating_mul(3) / 2 + 128));
        text.extend(["-----BEGIN ", label, "-----\n"]);
        for line in der.chunks(LINE) {
            STANDARD.encode_string(line, &mut text);
            text.push('\n');
        }
        text.extend(["-----END ", label, "-----\n"]);
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Pem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// These certificates, DER, one after the other.
pub(super) fn certificates(chain: &[Vec<u8>]) -> String {
    chain.iter().map(|der| Pem::new("CERTIFICATE", der).as_str().to_owned()).collect()
}
