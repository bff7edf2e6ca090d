//! The sandbox's own signing keys.

use std::sync::Arc;

use carnet_jose::{Algorithm, KeyError, SigningKey};
use carnet_sandbox_kit::{LazyKey, World};

/// The keys of the account's issuer, of the cluster's, and the one that signs identity documents of instances.
#[derive(Debug)]
pub(crate) struct Keys {
    rsa: LazyKey,
    ec: LazyKey,
    cluster: LazyKey,
    document: LazyKey,
}

impl Keys {
    /// The cluster's and the one of the documents are needed before the sandbox's files can be written.
    pub(crate) fn of(world: &World) -> Self {
        Self {
            rsa: LazyKey::new(Algorithm::Rs256, "RSA_0"),
            ec: LazyKey::new(Algorithm::Es384, "EC384_0"),
            cluster: LazyKey::twin(&world.issuers, "cluster-0"),
            document: LazyKey::twin(&world.issuers, "document"),
        }
    }

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
        // Whoever needs it next makes it again and reports the failure.
        drop(self.outbound(Algorithm::Rs256));
    }

    /// Replaces all but the one of the documents, which AWS has for ever.
    pub(crate) fn rotate(&self) {
        [&self.rsa, &self.ec, &self.cluster].into_iter().for_each(LazyKey::rotate);
    }
}
