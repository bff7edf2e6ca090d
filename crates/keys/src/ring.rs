//! What signs and what is published, at one moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use carnet_core::hex;
use carnet_jose::{Algorithm, Jwk, PublicKey, SigningKey};
use carnet_spiffe::{Bundle, TrustDomain};
use carnet_x509::{Authority, Certificate};
use jiff::{SignedDuration, Timestamp};

use crate::Stage;

/// The keys as they were when it was made; it does not change. [`crate::KeyManager::watch`] tells of the next one.
#[derive(Debug, Default)]
pub struct KeyRing {
    pub(crate) sequence: u64,
    pub(crate) refresh_hint: Option<SignedDuration>,
    pub(crate) signers: BTreeMap<Algorithm, Signer>,
    pub(crate) published: Vec<PublishedKey>,
    pub(crate) authority: Option<Arc<ActiveAuthority>>,
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) tainted: Vec<Vec<u8>>,
}

/// The key that signs tokens with one algorithm.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) until: Timestamp,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("kid", &self.key.kid()).field("until", &self.until).finish()
    }
}

/// A key of tokens that consumers are told of.
#[derive(Clone, Debug)]
pub struct PublishedKey {
    /// Its name.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// The public half with `kid`, `use` (`sig`) and `alg`.
    pub jwk: Jwk,
    /// Whether it signs, will, or did.
    pub stage: Stage,
    /// Nothing that it signs lives longer.
    pub expires_at: Timestamp,
    pub(crate) public: PublicKey,
}

/// The authority that signs certificates.
#[derive(Debug)]
pub struct ActiveAuthority {
    /// It signs.
    pub authority: Authority,
    /// What goes behind a leaf on the wire: the authority's own certificate and those between it and the root, DER. Empty
    /// when the authority is a root itself.
    pub upstream: Vec<Vec<u8>>,
    /// Nothing that it signs may live longer.
    pub not_after: Timestamp,
    /// Name of its key, as [`crate::KeyManager::list`] has it.
    pub kid: String,
}

impl ActiveAuthority {
    /// The chain of a leaf as it goes over the wire: the leaf, then what is between it and the root.
    pub fn chain_of(&self, leaf: Vec<u8>) -> Vec<Vec<u8>> {
        std::iter::once(leaf).chain(self.upstream.iter().cloned()).collect()
    }
}

impl KeyRing {
    /// The key that signs tokens with this algorithm, with its `kid`. What it signs must expire by [`Self::signs_until`].
    pub fn signer(&self, algorithm: Algorithm) -> Option<Arc<SigningKey>> {
        self.signers.get(&algorithm).map(|signer| Arc::clone(&signer.key))
    }

    /// The latest `exp` of what [`Self::signer`] signs now. After that time it must not sign at all.
    pub fn signs_until(&self, algorithm: Algorithm) -> Option<Timestamp> {
        self.signers.get(&algorithm).map(|signer| signer.until)
    }

    /// The algorithms that tokens can be signed with.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.signers.keys().copied()
    }

    /// All keys of tokens that consumers must know: those that will sign, those that do, and those of which something may
    /// live. Oldest first.
    pub fn published(&self) -> &[PublishedKey] {
        &self.published
    }

    /// The authority that signs certificates, if there is one.
    pub fn authority(&self) -> Option<Arc<ActiveAuthority>> {
        self.authority.clone()
    }

    /// The roots of certificates, DER, oldest first: the authorities' own certificates, or the upstream's roots.
    pub fn x509_roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// Certificates of authorities that are not to be relied on any more, DER: those that are tainted, and those that are revoked,
    /// as long as something that they signed may be valid. Whoever holds an SVID below one asks for another at once.
    pub fn tainted(&self) -> &[Vec<u8>] {
        &self.tainted
    }

    /// The subject key identifiers of [`Self::tainted`], lower-case hexadecimal: by these a leaf tells that it stands below one
    /// (RFC 5280, 4.2.1.1). SPIRE names an X.509 authority in the same way (`authority_id` of its Local Authority API).
    pub fn tainted_key_ids(&self) -> BTreeSet<String> {
        let read = self.tainted.iter().filter_map(|der| Certificate::from_der(der).ok());
        read.filter_map(|certificate| certificate.key_id().map(hex)).collect()
    }

    /// The bundle of this trust domain.
    pub fn bundle(&self, trust_domain: &TrustDomain) -> Bundle {
        Bundle {
            x509_authorities: self.roots.clone(),
            jwt_authorities: self.published.iter().map(|key| (key.kid.clone(), key.public.clone())).collect(),
            sequence: Some(self.sequence),
            refresh_hint: self.refresh_hint,
            ..Bundle::empty(trust_domain.clone())
        }
    }

    /// Grows with every change of what is published, and is the same on every node.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}
