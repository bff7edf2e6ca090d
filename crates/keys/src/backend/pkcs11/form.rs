//! How keys, signatures and public points look on either side.

use aws_lc_rs::{
    digest::{SHA256, SHA384, digest},
    encoding::{AsDer, PublicKeyX509Der},
    rsa::{PublicEncryptingKey, PublicKeyComponents},
};
use carnet_jose::Algorithm;
use cryptoki::{
    mechanism::{
        Mechanism, MechanismType,
        eddsa::{EddsaParams, EddsaSignatureScheme},
    },
    object::Attribute,
};

/// A sort of key in a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    P256,
    P384,
    Rsa,
    Ed25519,
}

/// id-ecPublicKey with P-256, up to the bits of the key (RFC 5480, 2).
const SPKI_P256: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// The same with P-384.
const SPKI_P384: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
/// id-Ed25519 (RFC 8410, 4).
const SPKI_ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

impl Form {
    pub(super) const fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Es256 => Some(Self::P256),
            Algorithm::Es384 => Some(Self::P384),
            Algorithm::Rs256 => Some(Self::Rsa),
            Algorithm::EdDsa => Some(Self::Ed25519),
            Algorithm::Es512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512
            | Algorithm::Rs384
            | Algorithm::Rs512 => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::Rsa => "RSA",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// What makes such a key.
    pub(super) const fn generation(self) -> Mechanism<'static> {
        match self {
            Self::P256 | Self::P384 => Mechanism::EccKeyPairGen,
            Self::Rsa => Mechanism::RsaPkcsKeyPairGen,
            Self::Ed25519 => Mechanism::EccEdwardsKeyPairGen,
        }
    }

    pub(super) const fn generation_type(self) -> MechanismType {
        match self {
            Self::P256 | Self::P384 => MechanismType::ECC_KEY_PAIR_GEN,
            Self::Rsa => MechanismType::RSA_PKCS_KEY_PAIR_GEN,
            Self::Ed25519 => MechanismType::ECC_EDWARDS_KEY_PAIR_GEN,
        }
    }

    /// What the public half of a new key must say of its kind.
    pub(super) fn parameters(self) -> Vec<Attribute> {
        match self {
            // The object identifiers of the curves (RFC 5480, 2.1.1.1).
            Self::P256 => vec![Attribute::EcParams(b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07".to_vec())],
            Self::P384 => vec![Attribute::EcParams(b"\x06\x05\x2b\x81\x04\x00\x22".to_vec())],
            Self::Rsa => vec![Attribute::ModulusBits(2048.into()), Attribute::PublicExponent(vec![1, 0, 1])],
            // The name, as a PrintableString (PKCS #11 v3.0 Mechanisms, 2.3.5): what SoftHSM knows it by.
            Self::Ed25519 => vec![Attribute::EcParams(b"\x13\x0cedwards25519".to_vec())],
        }
    }

    /// What signs, and with what. Many tokens do not hash for ECDSA, so the hash is made here.
    pub(super) fn signing(self, message: &[u8]) -> (Mechanism<'static>, Vec<u8>) {
        match self {
            Self::P256 => (Mechanism::Ecdsa, digest(&SHA256, message).as_ref().to_vec()),
            Self::P384 => (Mechanism::Ecdsa, digest(&SHA384, message).as_ref().to_vec()),
            Self::Rsa => (Mechanism::Sha256RsaPkcs, message.to_vec()),
            Self::Ed25519 => (Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)), message.to_vec()),
        }
    }

    /// Bytes of a signature; `None` when the key decides. For ECDSA it is `R || S` on either side (PKCS #11 v2.40
    /// Mechanisms, 2.3.1; RFC 7518, 3.4).
    pub(super) const fn signature_length(self) -> Option<usize> {
        match self {
            Self::P256 | Self::Ed25519 => Some(64),
            Self::P384 => Some(96),
            Self::Rsa => None,
        }
    }

    /// SubjectPublicKeyInfo of a point as a token gives it: in a DER OCTET STRING, as the standard says, or bare, as some do.
    pub(super) fn spki_of_point(self, point: &[u8]) -> Option<Vec<u8>> {
        let (prefix, length) = match self {
            Self::P256 => (SPKI_P256, 65),
            Self::P384 => (SPKI_P384, 97),
            Self::Ed25519 => (SPKI_ED25519, 32),
            Self::Rsa => return None,
        };
        let bare = match point {
            [0x04, wrapped, inner @ ..] if usize::from(*wrapped) == inner.len() && inner.len() == length => inner,
            bare => bare,
        };
        (bare.len() == length).then(|| [prefix, bare].concat())
    }
}

/// SubjectPublicKeyInfo of an RSA key.
pub(super) fn spki_of_rsa(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let trimmed = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
    let components = PublicKeyComponents { n: trimmed(modulus), e: trimmed(exponent) };
    let key: PublicEncryptingKey = components.try_into().ok()?;
    let der: PublicKeyX509Der<'_> = key.as_der().ok()?;
    Some(der.as_ref().to_vec())
}
