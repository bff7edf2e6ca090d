//! A public key that is parsed once.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    encoding::AsDer,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
    },
};
use pkcs8::{
    ObjectIdentifier,
    der::{Decode, Encode, Reader, SliceReader, asn1::UintRef},
    spki::SubjectPublicKeyInfoRef,
};

use crate::{
    Algorithm, Jwk, KeyError,
    algorithm::KeyType,
    strict::{decode_base64url, encode_base64url},
};

/// Smallest RSA modulus (RFC 7518, 3.3). Below it a key can be factored.
const MIN_RSA_BITS: usize = 2048;
/// Largest RSA modulus. Above it one verification takes a millisecond and more, which is an attack on the verifier.
const MAX_RSA_BITS: usize = 8192;
/// Largest RSA public exponent, in bits: what the library verifies with, and for the same reason.
const MAX_EXPONENT_BITS: usize = 33;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const PRIME256V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const SECP521R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// A public key, parsed once, that verifies with the algorithms it was made for.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    /// As a JWK: `kid`, `use` and `alg` only if the key came with them.
    jwk: Jwk,
    spki: Vec<u8>,
    /// One parsed key per algorithm, because the library binds the two.
    parsed: Vec<(Algorithm, ParsedPublicKey)>,
}

impl PublicKey {
    /// Parses a JWK. RSA keys below 2048 or above 8192 bits, points that are not on their curve, coordinates of the wrong
    /// length, and keys for something else than signatures are refused.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        if let Some(key_use) = jwk.key_use.as_deref().filter(|key_use| *key_use != "sig") {
            return Err(KeyError(format!("the key's use is {key_use:?}, not \"sig\"")));
        }
        let (key_type, bytes) = match jwk.kty.as_str() {
            "RSA" => {
                (KeyType::Rsa, rsa_public_key(&unsigned(jwk.n.as_deref(), "n")?, &unsigned(jwk.e.as_deref(), "e")?)?)
            }
            "EC" => {
                let (key_type, length) = match jwk.crv.as_deref() {
                    Some("P-256") => (KeyType::P256, 32),
                    Some("P-384") => (KeyType::P384, 48),
                    Some("P-521") => (KeyType::P521, 66),
                    Some(other) => return Err(KeyError(format!("curve {other:?} is not supported"))),
                    None => return Err(KeyError("member \"crv\" is missing".to_owned())),
                };
                let x = octets(jwk.x.as_deref(), "x", length)?;
                let y = octets(jwk.y.as_deref(), "y", length)?;
                // An uncompressed point (SEC 1, 2.3.3).
                (key_type, [&[4], x.as_slice(), y.as_slice()].concat())
            }
            "OKP" => match jwk.crv.as_deref() {
                Some("Ed25519") => (KeyType::Ed25519, octets(jwk.x.as_deref(), "x", 32)?),
                Some(other) => return Err(KeyError(format!("curve {other:?} is not supported"))),
                None => return Err(KeyError("member \"crv\" is missing".to_owned())),
            },
            other => return Err(KeyError(format!("key type {other:?} is not supported"))),
        };
        let algorithms = match jwk.alg.as_deref() {
            None => key_type.algorithms().to_vec(),
            Some(name) => {
                let algorithm: Algorithm = name.parse()?;
                if algorithm.key_type() != key_type {
                    return Err(KeyError(format!(
                        "algorithm {name} does not go with a key of type {}",
                        key_type.name()
                    )));
                }
                vec![algorithm]
            }
        };
        Self::build(key_type, &bytes, &algorithms, |known| {
            known.kid.clone_from(&jwk.kid);
            known.key_use.clone_from(&jwk.key_use);
            known.alg.clone_from(&jwk.alg);
        })
    }

    /// Parses DER SubjectPublicKeyInfo (RSA, P-256, P-384, P-521, Ed25519).
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let malformed = |_opaque| KeyError("it is not a DER SubjectPublicKeyInfo".to_owned());
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(malformed)?;
        let bytes = info
            .subject_public_key
            .as_bytes()
            .ok_or_else(|| KeyError("the key in the SubjectPublicKeyInfo is not whole bytes".to_owned()))?;
        let key_type = key_type(&info.algorithm)?;
        let bytes = match key_type {
            KeyType::Rsa => {
                let (modulus, exponent) = rsa_numbers(bytes)?;
                rsa_public_key(&modulus, &exponent)?
            }
            _ => bytes.to_vec(),
        };
        Self::build(key_type, &bytes, key_type.algorithms(), |_| {})
    }

    fn build(
        key_type: KeyType,
        bytes: &[u8],
        algorithms: &[Algorithm],
        name: impl FnOnce(&mut Jwk),
    ) -> Result<Self, KeyError> {
        let rejected = || KeyError(format!("it is not a valid {} public key", key_type.name()));
        let mut parsed = Vec::with_capacity(algorithms.len());
        for &algorithm in algorithms {
            parsed
                .push((algorithm, ParsedPublicKey::new(verification(algorithm), bytes).map_err(|_opaque| rejected())?));
        }
        let (_, first) = parsed.first().ok_or_else(rejected)?;
        let spki: Vec<u8> = first.as_der().map_err(|_opaque| rejected())?.as_ref().to_vec();
        let mut jwk = jwk_of(key_type, bytes)?;
        name(&mut jwk);
        Ok(Self(Arc::new(Inner { jwk, spki, parsed })))
    }

    /// The same key under this `kid`.
    #[must_use]
    pub fn with_kid(&self, kid: impl Into<String>) -> Self {
        let Inner { jwk, spki, parsed } = &*self.0;
        let jwk = Jwk { kid: Some(kid.into()), ..jwk.clone() };
        Self(Arc::new(Inner { jwk, spki: spki.clone(), parsed: parsed.clone() }))
    }

    /// Its `kid`, if it came from a JWK that has one.
    pub fn kid(&self) -> Option<&str> {
        self.0.jwk.kid.as_deref()
    }

    /// Whether it may verify this algorithm: by its type, and by its `alg` member when it has one.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.parsed(algorithm).is_some()
    }

    /// The algorithms that it may verify.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.0.parsed.iter().map(|(algorithm, _)| *algorithm)
    }

    /// The public key as a JWK.
    pub fn to_jwk(&self) -> Jwk {
        self.0.jwk.clone()
    }

    /// DER SubjectPublicKeyInfo.
    pub fn to_spki(&self) -> Vec<u8> {
        self.0.spki.clone()
    }

    /// Verifies a raw signature (JWS form for ECDSA).
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.parsed(algorithm).is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    fn parsed(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.0.parsed.iter().find(|(known, _)| *known == algorithm).map(|(_, key)| key)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<&str> = self.algorithms().map(Algorithm::name).collect();
        f.debug_struct("PublicKey").field("kid", &self.kid()).field("algorithms", &algorithms).finish()
    }
}

/// The public key inside a JWK made of the library's own bytes: `RSAPublicKey`, an uncompressed point, or 32 bytes.
pub(crate) fn jwk_of(key_type: KeyType, bytes: &[u8]) -> Result<Jwk, KeyError> {
    let curve = |curve: &str, x: &[u8], y: Option<&[u8]>| Jwk {
        kty: if y.is_some() { "EC" } else { "OKP" }.to_owned(),
        crv: Some(curve.to_owned()),
        x: Some(encode_base64url(x)),
        y: y.map(encode_base64url),
        ..Jwk::default()
    };
    Ok(match key_type {
        KeyType::Rsa => {
            let (modulus, exponent) = rsa_numbers(bytes)?;
            Jwk {
                kty: "RSA".to_owned(),
                n: Some(encode_base64url(modulus)),
                e: Some(encode_base64url(exponent)),
                ..Jwk::default()
            }
        }
        KeyType::Ed25519 => curve("Ed25519", bytes, None),
        KeyType::P256 | KeyType::P384 | KeyType::P521 => {
            let point = bytes.strip_prefix(&[4]).filter(|point| point.len().is_multiple_of(2));
            let (x, y) = point
                .and_then(|point| point.split_at_checked(point.len() / 2))
                .ok_or_else(|| KeyError("the point is not in uncompressed form".to_owned()))?;
            curve(key_type.name(), x, Some(y))
        }
    })
}

/// The type of key that an algorithm identifier of a SubjectPublicKeyInfo or of a PKCS#8 key names (RFC 3279, 2.3;
/// RFC 5480, 2.1; RFC 8410, 3).
pub(crate) fn key_type(algorithm: &pkcs8::AlgorithmIdentifierRef<'_>) -> Result<KeyType, KeyError> {
    if algorithm.oid == RSA_ENCRYPTION {
        return Ok(KeyType::Rsa);
    }
    if algorithm.oid == ID_ED25519 {
        return Ok(KeyType::Ed25519);
    }
    if algorithm.oid != EC_PUBLIC_KEY {
        return Err(KeyError(format!("keys with the algorithm {} are not supported", algorithm.oid)));
    }
    let curve = algorithm.parameters_oid().map_err(|_opaque| KeyError("the curve is not a named one".to_owned()))?;
    [(PRIME256V1, KeyType::P256), (SECP384R1, KeyType::P384), (SECP521R1, KeyType::P521)]
        .into_iter()
        .find_map(|(oid, key_type)| (oid == curve).then_some(key_type))
        .ok_or_else(|| KeyError(format!("curve {curve} is not supported")))
}

fn verification(algorithm: Algorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        Algorithm::EdDsa => &ED25519,
        Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
        Algorithm::Es512 => &ECDSA_P521_SHA512_FIXED,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
    }
}

fn octets(value: Option<&str>, name: &str, length: usize) -> Result<Vec<u8>, KeyError> {
    let bytes = member(value, name)?;
    if bytes.len() == length {
        return Ok(bytes);
    }
    Err(KeyError(format!("member {name:?} has {} bytes, not {length}", bytes.len())))
}

/// A number without leading zero octets. Some libraries write one (RFC 7518, 6.3.1.1 warns of it); it changes nothing.
fn unsigned(value: Option<&str>, name: &str) -> Result<Vec<u8>, KeyError> {
    let bytes = member(value, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes.get(zeros..).unwrap_or_default().to_vec())
}

fn member(value: Option<&str>, name: &str) -> Result<Vec<u8>, KeyError> {
    let value = value.ok_or_else(|| KeyError(format!("member {name:?} is missing")))?;
    decode_base64url(value).ok_or_else(|| KeyError(format!("member {name:?} is not base64url without padding")))
}

/// `RSAPublicKey` in DER (RFC 8017, A.1.1), after checking the size of both numbers. They have no leading zeros.
fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Result<Vec<u8>, KeyError> {
    let length = bits(modulus);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&length) {
        return Err(KeyError(format!(
            "the RSA key has {length} bits; at least {MIN_RSA_BITS} and at most {MAX_RSA_BITS} are accepted"
        )));
    }
    let odd = exponent.last().is_some_and(|byte| byte & 1 == 1);
    if !odd || exponent == [1] || bits(exponent) > MAX_EXPONENT_BITS {
        return Err(KeyError(format!(
            "the RSA public exponent must be odd, at least 3 and of at most {MAX_EXPONENT_BITS} bits"
        )));
    }
    let encode = || {
        let numbers = [UintRef::new(modulus)?, UintRef::new(exponent)?];
        numbers.to_vec().to_der()
    };
    encode().map_err(|_opaque: pkcs8::der::Error| KeyError("the RSA key cannot be written as DER".to_owned()))
}

/// Modulus and exponent of an `RSAPublicKey`, without leading zeros.
fn rsa_numbers(der: &[u8]) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
    let read = || {
        let mut reader = SliceReader::new(der)?;
        let numbers = reader.sequence(|numbers| {
            Ok((UintRef::decode(numbers)?.as_bytes().to_vec(), UintRef::decode(numbers)?.as_bytes().to_vec()))
        })?;
        reader.finish(numbers)
    };
    read().map_err(|_opaque: pkcs8::der::Error| KeyError("it is not a DER RSAPublicKey".to_owned()))
}

fn bits(number: &[u8]) -> usize {
    let first = number.first().map_or(0, |byte| byte.leading_zeros() as usize);
    number.len().saturating_mul(8).saturating_sub(first)
}

#[cfg(test)]
mod tests;
