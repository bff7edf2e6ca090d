//! Signing with a key that is parsed once.

use carnet_core::{Secret, SecretBytes};
use serde_json::{Map, Value};

use crate::{Algorithm, Jwk, KeyError};

/// A private key that signs with one algorithm.
pub struct SigningKey {
    // filled in by the implementation
}

impl SigningKey {
    /// A new key. RSA algorithms get 2048 bits, which takes 15 to 190 ms here: not on a request path.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let _ = algorithm;
        todo!()
    }

    /// A new RSA key as fast as this machine can: two searches at once, the first to end wins.
    pub fn generate_rsa_racing(algorithm: Algorithm) -> Result<Self, KeyError> {
        let _ = algorithm;
        todo!()
    }

    /// Parses PKCS#8 DER.
    pub fn from_pkcs8(algorithm: Algorithm, der: &SecretBytes) -> Result<Self, KeyError> {
        let _ = (algorithm, der);
        todo!()
    }

    /// Sets the `kid` that goes into headers and the JWK.
    #[must_use]
    pub fn with_kid(self, kid: impl Into<String>) -> Self {
        let _ = kid.into();
        self
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        todo!()
    }

    /// The raw signature of `message`: PKCS#1 v1.5 or PSS for RSA, `R || S` for ECDSA (RFC 7518, 3.4).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let _ = message;
        todo!()
    }

    /// The public half as a JWK, with `kid`, `use` and `alg`.
    pub fn public_jwk(&self) -> Jwk {
        todo!()
    }

    /// The public half as DER SubjectPublicKeyInfo.
    pub fn public_spki(&self) -> Vec<u8> {
        todo!()
    }

    /// MD5 of the SubjectPublicKeyInfo, lower-case hexadecimal pairs joined by colons: the fingerprint of OCI API keys.
    pub fn oci_fingerprint(&self) -> String {
        todo!()
    }

    /// The private key as PKCS#8 DER.
    pub fn to_pkcs8(&self) -> Result<SecretBytes, KeyError> {
        todo!()
    }

    /// The private key as PKCS#8 PEM.
    pub fn to_pkcs8_pem(&self) -> Result<Secret, KeyError> {
        todo!()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

/// Signs a token: header `alg`, `kid` (when the key has one), `typ: JWT` and `extra_header` on top, then the claims.
pub fn encode_jwt(
    key: &SigningKey,
    extra_header: &Map<String, Value>,
    claims: &Map<String, Value>,
) -> Result<Secret, KeyError> {
    let _ = (key, extra_header, claims);
    todo!()
}
