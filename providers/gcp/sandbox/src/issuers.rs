//! The keys of the issuers that pools trust, fetched under the issuers' real names.

use std::sync::Arc;

use carnet_core::{Destination, Error};
use carnet_gcp::trust::CheckedProvider;
use carnet_jose::{CacheLimits, CachedKeySets, KeySet, KeySource};
use carnet_sandbox_kit::World;
use jiff::SignedDuration;
use url::Url;

/// How long fetched keys are used without looking again. UNCONFIRMED: Google's cache seems to last hours; minutes let
/// a rotation be tried out.
const FRESH: SignedDuration = SignedDuration::from_mins(5);
/// Most issuers that are remembered.
const MAX_ISSUERS: usize = 100;

/// Key sets by issuer.
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

    /// The keys of a provider's issuer, for a token that names `kid`.
    pub(crate) async fn keys(&self, provider: &CheckedProvider, kid: Option<&str>) -> Result<Arc<KeySet>, Error> {
        let (issuer, document) =
            provider.issuer().ok_or_else(|| Error::internal("look for the keys of a provider that has no issuer"))?;
        let document = Url::parse(&document)
            .map_err(|error| Error::configuration("read the address of the discovery document").because(error))?;
        // The world's client knows the emulated names and never leaves loopback, so there is nothing to guard against.
        let source = KeySource::Document(document, Destination::Configured);
        self.0.keys(&issuer.issuer_uri, &source, kid).await
    }
}
