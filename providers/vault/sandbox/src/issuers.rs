//! The keys of the issuers that auth methods trust, fetched under the issuers' real names.

use std::sync::Arc;

use carnet_core::{Destination, Error};
use carnet_jose::{CacheLimits, CachedKeySets, KeySet, KeySource};
use carnet_sandbox_kit::World;
use carnet_vault::trust::{CheckedConfig, KeyOrigin};
use jiff::SignedDuration;
use url::Url;

/// How long fetched keys are used without looking again. Vault keeps them until a signature fails; minutes let the removal of
/// a key be tried out, which Vault would not notice.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// Key sets by issuer or address.
#[derive(Debug)]
pub(crate) struct IssuerKeys(CachedKeySets);

impl IssuerKeys {
    pub(crate) fn new(world: &World) -> Self {
        let limits = CacheLimits {
            issuers: 100,
            fresh: FRESH,
            most: FRESH,
            failure: SignedDuration::ZERO,
            // Vault fetches again at every unknown key.
            unknown_kid: SignedDuration::ZERO,
        };
        Self(CachedKeySets::new(world.context(), limits))
    }

    /// The keys of a method, for a token that names `kid`. `None` where the configuration holds them itself, or where they
    /// are those of a cluster, which the sandbox does not have.
    ///
    /// # Errors
    /// When they cannot be fetched.
    pub(crate) async fn keys(&self, config: &CheckedConfig, kid: Option<&str>) -> Result<Option<Arc<KeySet>>, Error> {
        // The world's client knows the emulated names and never leaves loopback, so there is nothing to guard against.
        let destination = Destination::Configured;
        match config.keys() {
            KeyOrigin::Static(_) | KeyOrigin::Kubernetes => Ok(None),
            KeyOrigin::Discovery(issuer) => {
                self.0.keys(issuer, &KeySource::Discovery(destination), kid).await.map(Some)
            }
            KeyOrigin::Sets(pairs) => {
                let mut all = Vec::new();
                for pair in pairs {
                    let url = Url::parse(&pair.jwks_url)
                        .map_err(|error| Error::configuration("read the address of a key set").because(error))?;
                    let source = KeySource::Url(url, destination);
                    all.push(self.0.keys(&pair.jwks_url, &source, kid).await?);
                }
                let keys: KeySet = all.iter().flat_map(|set| set.iter().cloned()).collect();
                Ok(Some(Arc::new(keys)))
            }
        }
    }
}
