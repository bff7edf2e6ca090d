//! Issuing.

use carnet_core::SecretBytes;
use carnet_jose::Algorithm;
use jiff::Timestamp;

use crate::X509Error;

/// A certificate authority in memory.
pub struct Authority {
    // filled in by the implementation
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

/// What a leaf should say.
#[derive(Clone, Debug)]
pub struct LeafProfile {
    /// Subject attributes in order: `("CN", …)`, `("OU", …)` and so on; names may repeat.
    pub subject: Vec<(&'static str, String)>,
    /// DNS names.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ip: Vec<std::net::IpAddr>,
    /// URIs.
    pub uri: Vec<String>,
    /// Whether it is for TLS servers.
    pub server: bool,
    /// Whether it is for TLS clients.
    pub client: bool,
    /// Validity.
    pub not_before: Timestamp,
    /// Validity.
    pub not_after: Timestamp,
    /// Key of the leaf: `Rs256` (RSA 2048) or `Es256`.
    pub key: Algorithm,
}

/// A leaf with its key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// DER certificate.
    pub certificate: Vec<u8>,
    /// Private key, PKCS#8 DER.
    pub private_key: SecretBytes,
}

impl Authority {
    /// A self-signed root. `key` is `Es256` or `Rs256`.
    pub fn root(
        common_name: &str,
        key: Algorithm,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Self, X509Error> {
        let _ = (common_name, key, not_before, not_after);
        todo!()
    }

    /// An intermediate below this authority.
    pub fn intermediate(
        &self,
        common_name: &str,
        key: Algorithm,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Self, X509Error> {
        let _ = (common_name, key, not_before, not_after);
        todo!()
    }

    /// A leaf with a new key.
    pub fn issue(&self, profile: &LeafProfile) -> Result<Issued, X509Error> {
        let _ = profile;
        todo!()
    }

    /// Its own certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        todo!()
    }

    /// Its own certificate, PEM.
    pub fn certificate_pem(&self) -> String {
        todo!()
    }
}
