//! The keys of the issuers that trusts name, fetched under the issuers' real names.

use std::sync::Arc;

use carnet_core::{Destination, Error};
use carnet_jose::{CacheLimits, CachedKeySets, KeySet, KeySource};
use carnet_sandbox_kit::World;
use jiff::SignedDuration;

/// How long fetched keys are used without looking again. The parties do not say; minutes let a rotation be tried out.
/// Infisical looks at each login, which shows only when a key is taken away.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// Most issuers that are remembered.
const MAX_ISSUERS: usize = 100;

/// Key sets by issuer, for all parties: what one of them has seen, the others need not fetch again.
#[derive(Debug)]
pub(crate) struct IssuerKeys(CachedKeySets);

impl IssuerKeys {
    pub(crate) fn new(world: &World) -> Self {
        // Keys that are no longer fresh are not served: an issuer that was taken down is to be seen as such.
        let limits = CacheLimits {
            issuers: MAX_ISSUERS,
            fresh: FRESH,
            most: FRESH,
            failure: SignedDuration::ZERO,
            ..CacheLimits::default()
        };
        Self(CachedKeySets::new(world.context(), limits))
    }

    /// The keys of an issuer, for a token that names `kid`.
    ///
    /// # Errors
    /// When they cannot be fetched.
    pub(crate) async fn keys(&self, issuer: &str, kid: Option<&str>) -> Result<Arc<KeySet>, Error> {
        // The world's client knows the emulated names and never leaves loopback, so there is nothing to guard against.
        self.0.keys(issuer, &KeySource::Discovery(Destination::Configured), kid).await
    }
}
