//! Signing with a key that is parsed once.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock, mpsc},
    thread,
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    },
};
use carnet_core::{Secret, SecretBytes};
use md5::{Digest, Md5};
use pkcs8::{LineEnding, PrivateKeyInfo, der::pem};
use serde_json::{Map, Value, json};

use crate::{
    Algorithm, Jwk, KeyError,
    algorithm::KeyType,
    public_key::{jwk_of, key_type},
    strict::encode_base64url,
};

/// A private key that signs with one algorithm.
pub struct SigningKey {
    algorithm: Algorithm,
    pair: Pair,
    /// The public half; `kid` as set.
    jwk: Jwk,
    spki: Vec<u8>,
    /// The header of a token without further members, encoded, with the dot.
    header: String,
    /// The first further members that a token had, and the header with them: one key signs one other type of tokens.
    other_header: OnceLock<(Map<String, Value>, String)>,
}

/// Signs where the private key is: in a token, in a module, with a service. See [`SigningKey::external`].
pub trait ExternalSigner: Send + Sync + fmt::Debug {
    /// The one algorithm that the key signs with.
    fn algorithm(&self) -> Algorithm;

    /// The public half as DER SubjectPublicKeyInfo.
    fn public_spki(&self) -> Vec<u8>;

    /// The signature of `message` as JWS writes it: PKCS#1 v1.5 or PSS for RSA, `R || S` for ECDSA (RFC 7518, 3.4), the 64
    /// bytes of RFC 8032 for Ed25519. May block.
    ///
    /// # Errors
    /// When the other side does not sign, with its reason. Nothing secret stands in it.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
    External(Arc<dyn ExternalSigner>),
}

impl SigningKey {
    /// A new key. RSA algorithms get 2048 bits, which takes 15 to 190 ms here: not on a request path.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let failed = |_opaque| KeyError(format!("generating a key for {algorithm} failed"));
        let pair = match ecdsa(algorithm) {
            Some(curve) => Pair::Ecdsa(EcdsaKeyPair::generate(curve).map_err(failed)?),
            None if algorithm == Algorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
            None => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?),
        };
        Self::of(algorithm, pair)
    }

    /// A new RSA key as fast as this machine can: two searches at once, the first to end wins. The search for primes
    /// takes anything between 15 and 190 ms, and the faster of two is seldom slow. The loser ends by itself; it does not
    /// keep the process from ending. For other keys this is [`Self::generate`].
    pub fn generate_rsa_racing(algorithm: Algorithm) -> Result<Self, KeyError> {
        if algorithm.key_type() != KeyType::Rsa {
            return Self::generate(algorithm);
        }
        let (winner, winners) = mpsc::channel();
        let mut searching = 0;
        for _ in 0..2 {
            let winner = winner.clone();
            let search = move || {
                // When nobody listens any more the other search has won, and this key is dropped.
                drop(winner.send(Self::generate(algorithm)));
            };
            searching += usize::from(thread::Builder::new().name("rsa-search".to_owned()).spawn(search).is_ok());
        }
        drop(winner);
        let first_good = (0..searching).find_map(|_| winners.recv().ok()?.ok());
        first_good.map_or_else(|| Self::generate(algorithm), Ok)
    }

    /// Parses PKCS#8 DER.
    pub fn from_pkcs8(algorithm: Algorithm, der: &SecretBytes) -> Result<Self, KeyError> {
        let info = PrivateKeyInfo::try_from(der.expose())
            .map_err(|_opaque| KeyError("it is not a PKCS#8 private key in DER".to_owned()))?;
        let found = key_type(&info.algorithm)?;
        let wanted = algorithm.key_type();
        if found != wanted {
            return Err(KeyError(format!("it is a {} key, and {algorithm} needs {}", found.name(), wanted.name())));
        }
        let rejected = |_opaque| KeyError(format!("it is not a valid {} private key", wanted.name()));
        let pair = match ecdsa(algorithm) {
            Some(curve) => Pair::Ecdsa(EcdsaKeyPair::from_pkcs8(curve, der.expose()).map_err(rejected)?),
            None if algorithm == Algorithm::EdDsa => {
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.expose()).map_err(rejected)?)
            }
            None => Pair::Rsa(
                RsaKeyPair::from_pkcs8(der.expose())
                    .map_err(|_opaque| KeyError("it is not a valid RSA private key of 2048 to 8192 bits".to_owned()))?,
            ),
        };
        Self::of(algorithm, pair)
    }

    /// A key whose private half never comes here: a token's, a module's. What it signs cannot be told from what other
    /// keys sign. Signing takes as long as the other side takes, so on a runtime it belongs to where blocking is allowed:
    /// see [`Self::is_external`].
    ///
    /// # Errors
    /// When the public half is not one of a key for its algorithm.
    pub fn external(signer: Arc<dyn ExternalSigner>) -> Result<Self, KeyError> {
        let (algorithm, spki) = (signer.algorithm(), signer.public_spki());
        let public = crate::PublicKey::from_spki(&spki)?;
        if !public.allows(algorithm) {
            return Err(KeyError(format!("{algorithm} needs {}, and the key is another", algorithm.key_type().name())));
        }
        Ok(Self::with_public(algorithm, Pair::External(signer), public.to_jwk(), spki))
    }

    /// Whether the private half is elsewhere, so that every signature may block for milliseconds.
    pub fn is_external(&self) -> bool {
        matches!(self.pair, Pair::External(_))
    }

    fn of(algorithm: Algorithm, pair: Pair) -> Result<Self, KeyError> {
        let unreadable = |_opaque| KeyError("the public half of the key cannot be read".to_owned());
        let (public, spki): (&[u8], PublicKeyX509Der<'_>) = match &pair {
            Pair::Ecdsa(pair) => (pair.public_key().as_ref(), pair.public_key().as_der().map_err(unreadable)?),
            Pair::Ed25519(pair) => (pair.public_key().as_ref(), pair.public_key().as_der().map_err(unreadable)?),
            Pair::Rsa(pair) => (pair.public_key().as_ref(), pair.public_key().as_der().map_err(unreadable)?),
            Pair::External(signer) => return Self::external(Arc::clone(signer)),
        };
        let jwk = jwk_of(algorithm.key_type(), public)?;
        let spki = spki.as_ref().to_vec();
        Ok(Self::with_public(algorithm, pair, jwk, spki))
    }

    fn with_public(algorithm: Algorithm, pair: Pair, mut jwk: Jwk, spki: Vec<u8>) -> Self {
        jwk.key_use = Some("sig".to_owned());
        jwk.alg = Some(algorithm.name().to_owned());
        let header = encode_header(&header(algorithm, None));
        Self { algorithm, pair, jwk, spki, header, other_header: OnceLock::new() }
    }

    /// Sets the `kid` that goes into headers and the JWK.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        let kid = kid.into();
        self.header = encode_header(&header(self.algorithm, Some(&kid)));
        self.other_header = OnceLock::new();
        self.jwk.kid = Some(kid);
        self
    }

    /// The `kid`, if one is set.
    pub fn kid(&self) -> Option<&str> {
        self.jwk.kid.as_deref()
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw signature of `message`: PKCS#1 v1.5 or PSS for RSA, `R || S` for ECDSA (RFC 7518, 3.4).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_opaque| KeyError(format!("signing with {} failed", self.algorithm));
        Ok(match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.try_sign(message).map_err(failed)?.as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa_encoding(self.algorithm), &SystemRandom::new(), message, &mut signature)
                    .map_err(failed)?;
                signature
            }
            Pair::External(signer) => signer.sign(message)?,
        })
    }

    /// The public half as a JWK, with `kid`, `use` and `alg`.
    pub fn public_jwk(&self) -> Jwk {
        self.jwk.clone()
    }

    /// The public half, ready to verify.
    pub fn public_key(&self) -> Result<crate::PublicKey, KeyError> {
        crate::PublicKey::from_jwk(&self.jwk)
    }

    /// The public half as DER SubjectPublicKeyInfo.
    pub fn public_spki(&self) -> Vec<u8> {
        self.spki.clone()
    }

    /// The public half as PEM (`PUBLIC KEY`).
    pub fn public_pem(&self) -> Result<String, KeyError> {
        pem::encode_string("PUBLIC KEY", LineEnding::LF, &self.spki)
            .map_err(|_opaque| KeyError("the public key cannot be written as PEM".to_owned()))
    }

    /// MD5 of the SubjectPublicKeyInfo, lower-case hexadecimal pairs joined by colons: the fingerprint of OCI API keys
    /// (<https://docs.oracle.com/en-us/iaas/Content/API/Concepts/apisigningkey.htm>, "How to Get the Key's Fingerprint").
    pub fn oci_fingerprint(&self) -> String {
        let pairs: Vec<String> = Md5::digest(&self.spki).iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(":")
    }

    /// The private key as PKCS#8 DER.
    ///
    /// # Errors
    /// When it cannot be written, and for one that is elsewhere ([`Self::external`]).
    pub fn to_pkcs8(&self) -> Result<SecretBytes, KeyError> {
        let failed = |_opaque| KeyError("the private key cannot be written as PKCS#8".to_owned());
        Ok(match &self.pair {
            Pair::Ecdsa(pair) => SecretBytes::new(pair.to_pkcs8v1().map_err(failed)?.as_ref()),
            Pair::Ed25519(pair) => SecretBytes::new(pair.to_pkcs8v1().map_err(failed)?.as_ref()),
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                SecretBytes::new(der.as_ref())
            }
            Pair::External(_) => {
                return Err(KeyError("the private key is in a token that does not give it away".to_owned()));
            }
        })
    }

    /// The private key as PKCS#8 PEM.
    pub fn to_pkcs8_pem(&self) -> Result<Secret, KeyError> {
        crate::pem::private_key_to_pem(&self.to_pkcs8()?)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// Bytes of a dot and a signature in base64url: RSA with 4096 bits. Longer ones are rare.
const USUAL_SIGNATURE: usize = 684;

/// Signs a token: header `alg`, `kid` (when the key has one), `typ: JWT` and `extra_header` on top, then the claims.
/// `alg` cannot be replaced, because it belongs to the key.
pub fn encode_jwt(
    key: &SigningKey,
    extra_header: &Map<String, Value>,
    claims: &Map<String, Value>,
) -> Result<Secret, KeyError> {
    let cannot = |_opaque| KeyError("the claims cannot be written as JSON".to_owned());
    let head = if extra_header.is_empty() {
        Cow::Borrowed(key.header.as_str())
    } else if extra_header.contains_key("alg") {
        return Err(KeyError("the header member \"alg\" belongs to the key and cannot be set".to_owned()));
    } else {
        let encode = || {
            let mut members = header(key.algorithm, key.kid());
            members.extend(extra_header.iter().map(|(name, value)| (name.clone(), value.clone())));
            encode_header(&members)
        };
        let (members, encoded) = key.other_header.get_or_init(|| (extra_header.clone(), encode()));
        if members == extra_header { Cow::Borrowed(encoded.as_str()) } else { Cow::Owned(encode()) }
    };
    let claims = encode_base64url(serde_json::to_vec(claims).map_err(cannot)?);
    // Of the right size at once: a text that is moved leaves a copy behind.
    let mut token = String::with_capacity(head.len() + claims.len() + USUAL_SIGNATURE);
    token.push_str(&head);
    token.push_str(&claims);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&encode_base64url(signature));
    Ok(Secret::new(token))
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("alg".to_owned(), json!(algorithm.name()));
    if let Some(kid) = kid {
        members.insert("kid".to_owned(), json!(kid));
    }
    members.insert("typ".to_owned(), json!("JWT"));
    members
}

fn encode_header(members: &Map<String, Value>) -> String {
    // `Value` prints as JSON, and does not fail.
    let mut encoded = encode_base64url(Value::Object(members.clone()).to_string());
    encoded.push('.');
    encoded
}

fn ecdsa(algorithm: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match algorithm {
        Algorithm::Es256 => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::Es384 => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
        Algorithm::Es512 => Some(&ECDSA_P521_SHA512_FIXED_SIGNING),
        _ => None,
    }
}

fn rsa_encoding(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Ps384 => &RSA_PSS_SHA384,
        Algorithm::Ps512 => &RSA_PSS_SHA512,
        Algorithm::Rs384 => &RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_SHA512,
        _ => &RSA_PKCS1_SHA256,
    }
}

#[cfg(test)]
mod tests;
