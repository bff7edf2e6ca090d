//! The keys of one issuer, parsed once.

use crate::{Jwk, JwkSet, KeyError, PublicKey};

/// The keys of one issuer, parsed once and looked up by `kid`.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

impl KeySet {
    /// Most keys that a set may hold.
    pub const MAX_KEYS: usize = 100;

    /// Parses every key of the set. Keys of a type that is not for signatures are passed over; a malformed one is an
    /// error that names its position.
    pub fn from_jwks(set: &JwkSet) -> Result<Self, KeyError> {
        if set.keys.len() > Self::MAX_KEYS {
            return Err(KeyError(format!("the key set has {} keys, more than {}", set.keys.len(), Self::MAX_KEYS)));
        }
        let usable = set.keys.iter().enumerate().filter(|(_, jwk)| is_for_signatures(jwk));
        let keys = usable.map(|(position, jwk)| {
            PublicKey::from_jwk(jwk).map_err(|KeyError(message)| KeyError(format!("keys[{position}]: {message}")))
        });
        Ok(Self { keys: keys.collect::<Result<_, _>>()? })
    }

    /// Parses a JWKS document.
    pub fn from_json(json: &[u8]) -> Result<Self, KeyError> {
        Self::from_jwks(&JwkSet::from_json(json)?)
    }

    /// A set of one key.
    pub fn of(key: PublicKey) -> Self {
        Self { keys: vec![key] }
    }

    /// The keys that a token with this `kid` may have been signed with: those that carry it and those that carry none.
    /// All keys when the token names none. Two keys may carry the same `kid`; both are then candidates.
    pub fn candidates(&self, kid: Option<&str>) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter().filter(move |key| kid.is_none() || key.kid().is_none() || key.kid() == kid)
    }

    /// All keys, in the order of the document.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.iter()
    }

    /// Number of usable keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no usable key in it.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl FromIterator<PublicKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self { keys: keys.into_iter().collect() }
    }
}

/// Whether the key is of a type, curve, use and algorithm that this crate verifies with. Others are not an error: a set
/// "can contain keys of types that are not understood" (RFC 7517, 5).
fn is_for_signatures(jwk: &Jwk) -> bool {
    let kind = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("EC", Some(curve)) => matches!(curve, "P-256" | "P-384" | "P-521"),
        ("OKP", Some(curve)) => curve == "Ed25519",
        // Without a curve it is malformed, and parsing it says so.
        ("RSA", _) | ("EC" | "OKP", None) => true,
        _ => false,
    };
    let key_use = jwk.key_use.as_deref().is_none_or(|key_use| key_use == "sig");
    let algorithm = jwk.alg.as_deref().is_none_or(|name| crate::Algorithm::from_name(name).is_some());
    kind && key_use && algorithm
}
