//! The sandbox's own signing keys.

use std::sync::Arc;

use carnet_jose::{Algorithm, KeyError, SigningKey};
use carnet_sandbox_kit::LazyKey;

/// The keys of the account's issuer, of the cluster's, and the one that signs identity documents of instances.
#[derive(Debug)]
pub(crate) struct Keys {
    rsa: LazyKey,
    ec: LazyKey,
    cluster: LazyKey,
    document: LazyKey,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            rsa: LazyKey::new(Algorithm::Rs256, "RSA_0"),
            ec: LazyKey::new(Algorithm::Es384, "EC384_0"),
            cluster: LazyKey::new(Algorithm::Rs256, "cluster-0"),
            document: LazyKey::new(Algorithm::Rs256, "document"),
        }
    }
}

impl Keys {
    /// The key of the account's issuer for an algorithm of `GetWebIdentityToken`.
    pub(crate) fn outbound(&self, algorithm: Algorithm) -> Result<Arc<SigningKey>, KeyError> {
        if algorithm == Algorithm::Es384 { self.ec.get() } else { self.rsa.get() }
    }

    /// The key of the cluster's issuer.
    pub(crate) fn cluster(&self) -> Result<Arc<SigningKey>, KeyError> {
        self.cluster.get()
    }

    /// The key that signs identity documents.
    pub(crate) fn document(&self) -> Result<Arc<SigningKey>, KeyError> {
        self.document.get()
    }

    /// Makes those that will be needed soon.
    pub(crate) fn warm(&self) {
        // Whoever needs them next makes them again and reports the failure.
        drop(self.outbound(Algorithm::Rs256));
        drop(self.cluster());
    }

    /// Replaces all but the one of the documents, which AWS has for ever.
    pub(crate) fn rotate(&self) {
        [&self.rsa, &self.ec, &self.cluster].into_iter().for_each(LazyKey::rotate);
    }
}
