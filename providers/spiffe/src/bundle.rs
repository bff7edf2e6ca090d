//! Bundles: the public keys of a trust domain.

pub(crate) use self::read::{Document, from_json};

mod read;
mod write;

use std::{collections::BTreeMap, sync::Arc};

use carnet_jose::{KeySet, PublicKey};
use jiff::SignedDuration;

use crate::TrustDomain;

/// The keys of one trust domain (SPIFFE Trust Domain and Bundle, 4). Bundles of different domains are never merged.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Whose keys these are.
    pub trust_domain: TrustDomain,
    /// Certificates of the authorities of X509-SVIDs, DER, in the order of the document.
    pub x509_authorities: Vec<Vec<u8>>,
    /// Keys of JWT-SVIDs by `kid`.
    pub jwt_authorities: BTreeMap<String, PublicKey>,
    /// Grows with every change, if the giver counts.
    pub sequence: Option<u64>,
    /// How often the giver wants to be asked again; consumers assume five minutes when it is absent.
    pub refresh_hint: Option<SignedDuration>,
}

/// A bundle that cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BundleError(pub String);

impl From<BundleError> for carnet_core::Error {
    fn from(error: BundleError) -> Self {
        Self::configuration("use the bundle").because(error)
    }
}

impl Bundle {
    /// Largest document that is looked at, in bytes.
    pub const MAX_LENGTH: usize = 1 << 20;
    /// Most entries of `keys` in a document.
    pub const MAX_KEYS: usize = 500;
    /// How often to ask again when the giver does not say.
    pub const DEFAULT_REFRESH: SignedDuration = SignedDuration::from_secs(300);

    /// A bundle without keys: nothing of this domain is believed.
    pub fn empty(trust_domain: TrustDomain) -> Self {
        Self {
            trust_domain,
            x509_authorities: Vec::new(),
            jwt_authorities: BTreeMap::new(),
            sequence: None,
            refresh_hint: None,
        }
    }

    /// Whether there is no key in it: everything of this domain is revoked.
    pub fn is_empty(&self) -> bool {
        self.x509_authorities.is_empty() && self.jwt_authorities.is_empty()
    }

    /// The key of JWT-SVIDs with this `kid`.
    pub fn jwt_authority(&self, kid: &str) -> Option<&PublicKey> {
        self.jwt_authorities.get(kid)
    }

    /// The keys of JWT-SVIDs as a set.
    pub fn jwt_key_set(&self) -> KeySet {
        self.jwt_authorities.values().cloned().collect()
    }

    /// [`Self::refresh_hint`], or what consumers assume when it is absent.
    pub fn refresh(&self) -> SignedDuration {
        self.refresh_hint.unwrap_or(Self::DEFAULT_REFRESH)
    }

    /// The same in an [`Arc`], for a [`crate::BundleMap`].
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

impl PartialEq for Bundle {
    fn eq(&self, other: &Self) -> bool {
        let keys = |bundle: &Self| bundle.jwt_authorities.values().map(PublicKey::to_jwk).collect::<Vec<_>>();
        self.trust_domain == other.trust_domain
            && self.x509_authorities == other.x509_authorities
            && self.sequence == other.sequence
            && self.refresh_hint == other.refresh_hint
            && keys(self) == keys(other)
    }
}

impl Eq for Bundle {}
