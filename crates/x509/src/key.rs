//! The keys of authorities and leaves.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use carnet_jose::{Algorithm, KeyError, SigningKey, sha256};
use x509_cert::{
    der::{
        Decode, Encode,
        asn1::{Any, ObjectIdentifier, UintRef},
        oid::db::rfc5912::{
            ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512, SHA_256_WITH_RSA_ENCRYPTION,
            SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
        },
    },
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef},
};

use crate::X509Error;

const ID_ED_25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Signs certificates and requests, wherever the private key is. Unlike a JWS signature, that of ECDSA is DER here
/// (RFC 3279, 2.2.3).
#[derive(Clone)]
pub(crate) struct IssuerKey {
    key: Arc<SigningKey>,
    spki: Vec<u8>,
}

impl IssuerKey {
    pub(crate) fn new(key: Arc<SigningKey>) -> Result<Self, X509Error> {
        identifier_of(key.algorithm())?;
        Ok(Self { spki: key.public_spki(), key })
    }

    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    pub(crate) fn signing_key(&self) -> &Arc<SigningKey> {
        &self.key
    }

    pub(crate) fn identifier(&self) -> Result<AlgorithmIdentifierOwned, X509Error> {
        identifier_of(self.key.algorithm())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, X509Error> {
        let signature = self.key.sign(message)?;
        match self.key.algorithm() {
            Algorithm::Rs256 => Ok(signature),
            _ => ecdsa_to_der(&signature),
        }
    }
}

fn identifier_of(algorithm: Algorithm) -> Result<AlgorithmIdentifierOwned, X509Error> {
    let (oid, parameters) = match algorithm {
        Algorithm::Es256 => (ECDSA_WITH_SHA_256, None),
        Algorithm::Es384 => (ECDSA_WITH_SHA_384, None),
        // RFC 4055, 5: the parameters of these are NULL.
        Algorithm::Rs256 => (SHA_256_WITH_RSA_ENCRYPTION, Some(Any::null())),
        other => return Err(unsupported(other)),
    };
    Ok(AlgorithmIdentifierOwned { oid, parameters })
}

/// `R || S` as `Ecdsa-Sig-Value`, a sequence of two integers.
fn ecdsa_to_der(signature: &[u8]) -> Result<Vec<u8>, X509Error> {
    let halves = signature.split_at_checked(signature.len() / 2).filter(|(r, s)| r.len() == s.len() && !r.is_empty());
    let (r, s) = halves.ok_or_else(|| X509Error("the signature is not one of ECDSA".to_owned()))?;
    let encode = || vec![UintRef::new(r)?, UintRef::new(s)?].to_der();
    encode().map_err(X509Error::encoding)
}

/// A new key that can sign certificates.
pub(crate) fn generate(algorithm: Algorithm) -> Result<SigningKey, X509Error> {
    identifier_of(algorithm)?;
    Ok(SigningKey::generate(algorithm)?)
}

/// The key identifier: the leftmost 160 bits of SHA-256 over the bits of the key (RFC 7093, 2, method 1).
pub(crate) fn key_id(spki: &[u8]) -> Result<Vec<u8>, X509Error> {
    let info = SubjectPublicKeyInfoRef::from_der(spki).map_err(X509Error::encoding)?;
    Ok(sha256(info.subject_public_key.raw_bytes()).into_iter().take(20).collect())
}

pub(crate) fn spki_of(der: &[u8]) -> Result<SubjectPublicKeyInfoOwned, X509Error> {
    SubjectPublicKeyInfoOwned::from_der(der).map_err(X509Error::encoding)
}

/// Whether `signature` over `message` was made with the key of `spki`, for the algorithms of requests in use. The curve
/// does not fix the hash here: openssl(1) signs with SHA-256 whatever the key.
pub(crate) fn verifies(oid: &str, spki: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let known: [(ObjectIdentifier, &'static dyn VerificationAlgorithm); 13] = [
        (ECDSA_WITH_SHA_256, &ECDSA_P256_SHA256_ASN1),
        (ECDSA_WITH_SHA_256, &ECDSA_P384_SHA256_ASN1),
        (ECDSA_WITH_SHA_256, &ECDSA_P521_SHA256_ASN1),
        (ECDSA_WITH_SHA_384, &ECDSA_P256_SHA384_ASN1),
        (ECDSA_WITH_SHA_384, &ECDSA_P384_SHA384_ASN1),
        (ECDSA_WITH_SHA_384, &ECDSA_P521_SHA384_ASN1),
        (ECDSA_WITH_SHA_512, &ECDSA_P256_SHA512_ASN1),
        (ECDSA_WITH_SHA_512, &ECDSA_P384_SHA512_ASN1),
        (ECDSA_WITH_SHA_512, &ECDSA_P521_SHA512_ASN1),
        (ID_ED_25519, &ED25519),
        (SHA_256_WITH_RSA_ENCRYPTION, &RSA_PKCS1_2048_8192_SHA256),
        (SHA_384_WITH_RSA_ENCRYPTION, &RSA_PKCS1_2048_8192_SHA384),
        (SHA_512_WITH_RSA_ENCRYPTION, &RSA_PKCS1_2048_8192_SHA512),
    ];
    // A key of another curve does not parse, and so does not verify.
    known
        .into_iter()
        .filter(|(known, _)| known.to_string() == oid)
        .any(|(_, algorithm)| UnparsedPublicKey::new(algorithm, spki).verify(message, signature).is_ok())
}

fn unsupported(algorithm: Algorithm) -> X509Error {
    X509Error(format!("certificates are made with RS256, ES256 or ES384, not with {algorithm}"))
}

impl From<KeyError> for X509Error {
    fn from(KeyError(message): KeyError) -> Self {
        Self(message)
    }
}
