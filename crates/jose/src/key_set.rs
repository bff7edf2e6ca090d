//! The keys of one issuer, parsed once.

use carnet_core::{Context, Destination, Error};
use url::Url;

use crate::{JwkSet, KeyError, PublicKey};

/// The keys of one issuer, parsed once and looked up by `kid`.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    // filled in by the implementation
}

impl KeySet {
    /// Most keys that a set may hold.
    pub const MAX_KEYS: usize = 100;

    /// Parses every key of the set. Keys of a type that is not for signatures are passed over; a malformed one is an
    /// error that names its position.
    pub fn from_jwks(set: &JwkSet) -> Result<Self, KeyError> {
        let _ = set;
        todo!()
    }

    /// Parses a JWKS document.
    pub fn from_json(json: &[u8]) -> Result<Self, KeyError> {
        let _ = json;
        todo!()
    }

    /// A set of one key.
    pub fn of(key: PublicKey) -> Self {
        let _ = key;
        todo!()
    }

    /// The keys that carry this `kid`, or all keys when the token names none.
    pub fn candidates(&self, kid: Option<&str>) -> impl Iterator<Item = &PublicKey> {
        let _ = kid;
        std::iter::empty()
    }

    /// Whether there is no usable key in it.
    pub fn is_empty(&self) -> bool {
        todo!()
    }
}

/// Fetches and parses the JWKS at `url`.
pub async fn fetch_key_set(context: &Context, url: &Url, destination: Destination) -> Result<KeySet, Error> {
    let _ = (context, url, destination);
    todo!()
}

/// Fetches `issuer/.well-known/openid-configuration` and returns its `jwks_uri`; refuses a document whose `issuer`
/// differs from the one asked for by a single character (OpenID Connect Discovery 1.0, 4.3).
pub async fn discover(context: &Context, issuer: &str, destination: Destination) -> Result<Url, Error> {
    let _ = (context, issuer, destination);
    todo!()
}
