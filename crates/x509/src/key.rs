//! The keys of authorities and leaves.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1,
        ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA512_ASN1,
        ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519, EcdsaKeyPair,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
        RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use carnet_core::SecretBytes;
use carnet_jose::{Algorithm, KeyError, SigningKey, sha256};
use x509_cert::{
    der::{
        Decode,
        asn1::{Any, ObjectIdentifier},
        oid::db::rfc5912::{
            ECDSA_WITH_SHA_256, ECDSA_WITH_SHA_384, ECDSA_WITH_SHA_512, SHA_256_WITH_RSA_ENCRYPTION,
            SHA_384_WITH_RSA_ENCRYPTION, SHA_512_WITH_RSA_ENCRYPTION,
        },
    },
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef},
};

use crate::X509Error;

const ID_ED_25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Signs certificates. Unlike a JWS signature, that of ECDSA is DER here (RFC 3279, 2.2.3).
pub(crate) struct IssuerKey {
    pair: Pair,
    spki: Vec<u8>,
}

enum Pair {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl IssuerKey {
    pub(crate) fn from_pkcs8(algorithm: Algorithm, der: &SecretBytes) -> Result<Self, X509Error> {
        // The same checks as for any other key, and the public half.
        let key = SigningKey::from_pkcs8(algorithm, der).map_err(X509Error::from)?;
        let rejected = |_opaque| X509Error(format!("the key cannot sign certificates with {algorithm}"));
        let der = der.expose();
        let pair = match algorithm {
            Algorithm::Es256 => {
                Pair::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map_err(rejected)?)
            }
            Algorithm::Es384 => {
                Pair::P384(EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, der).map_err(rejected)?)
            }
            Algorithm::Rs256 => Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(der).map_err(rejected)?)),
            other => return Err(unsupported(other)),
        };
        Ok(Self { pair, spki: key.public_spki() })
    }

    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    pub(crate) fn identifier(&self) -> AlgorithmIdentifierOwned {
        let (oid, parameters) = match &self.pair {
            Pair::P256(_) => (ECDSA_WITH_SHA_256, None),
            Pair::P384(_) => (ECDSA_WITH_SHA_384, None),
            // RFC 4055, 5: the parameters of these are NULL.
            Pair::Rsa(_) => (SHA_256_WITH_RSA_ENCRYPTION, Some(Any::null())),
        };
        AlgorithmIdentifierOwned { oid, parameters }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, X509Error> {
        let failed = |_opaque| X509Error("signing the certificate failed".to_owned());
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => {
                pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()).map_err(failed)
            }
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

/// A new private key as PKCS#8.
pub(crate) fn generate(algorithm: Algorithm) -> Result<SecretBytes, X509Error> {
    if !matches!(algorithm, Algorithm::Es256 | Algorithm::Es384 | Algorithm::Rs256) {
        return Err(unsupported(algorithm));
    }
    Ok(SigningKey::generate(algorithm)?.to_pkcs8()?)
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
