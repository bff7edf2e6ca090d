//! What the key of a certificate may be used for.

use std::fmt;

/// The bits of `keyUsage` (RFC 5280, 4.2.1.3). The default has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyUsage(u16);

/// Names of the bits in their order.
const NAMES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];

impl KeyUsage {
    /// For signatures that are not on certificates or revocation lists: what TLS needs.
    pub const DIGITAL_SIGNATURE: Self = Self(1);
    /// For encrypting keys: RSA keys in TLS 1.2 without forward secrecy.
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 2);
    /// For agreeing on keys.
    pub const KEY_AGREEMENT: Self = Self(1 << 4);
    /// For signing certificates.
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);
    /// For signing revocation lists.
    pub const CRL_SIGN: Self = Self(1 << 6);

    /// The bit of position n of the extension has the value 2^n.
    pub(crate) const fn of_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Whether every bit of `other` is set here too.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            NAMES.into_iter().enumerate().filter(|(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| name).collect();
        f.write_str(&if names.is_empty() { "none".to_owned() } else { names.join(", ") })
    }
}

/// The purposes of `extKeyUsage` (RFC 5280, 4.2.1.12), as far as they matter to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtendedKeyUsage {
    /// TLS servers.
    pub server_auth: bool,
    /// TLS clients.
    pub client_auth: bool,
    /// Any purpose.
    pub any: bool,
}

impl From<&x509_parser::extensions::ExtendedKeyUsage<'_>> for ExtendedKeyUsage {
    fn from(usage: &x509_parser::extensions::ExtendedKeyUsage<'_>) -> Self {
        Self { server_auth: usage.server_auth, client_auth: usage.client_auth, any: usage.any }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_prints_the_names_of_its_bits() {
        assert_eq!(KeyUsage::of_bits(0b110_0001).to_string(), "digitalSignature, keyCertSign, cRLSign");
        assert_eq!(KeyUsage::default().to_string(), "none");
        assert!(KeyUsage::of_bits(0b100_0000).contains(KeyUsage::CRL_SIGN));
        assert!(!KeyUsage::CRL_SIGN.contains(KeyUsage::KEY_CERT_SIGN));
    }
}
