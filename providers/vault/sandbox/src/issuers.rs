//! The keys of the issuers that auth methods trust, fetched under the issuers' real names.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use carnet_core::{BoxFuture, Context, Destination, Error, HttpError, HttpSend, Request, Response};
use carnet_jose::{CacheLimits, CachedKeySets, KeySet, KeySource, sha256};
use carnet_sandbox_kit::World;
use carnet_vault::trust::{CheckedConfig, KeyOrigin};
use jiff::SignedDuration;
use url::Url;

/// How long fetched keys are used without looking again. Vault keeps them until a signature fails; minutes let the removal of
/// a key be tried out, which Vault would not notice.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

const LIMITS: CacheLimits = CacheLimits {
    issuers: 100,
    fresh: FRESH,
    most: FRESH,
    failure: SignedDuration::ZERO,
    // Vault fetches again at every unknown key.
    unknown_kid: SignedDuration::ZERO,
};
/// Most texts of roots whose key sets are kept.
const MAX_ROOTS: usize = 100;

/// Key sets by issuer or address, and by the roots that they are fetched with: what one mount has believed is nothing to another
/// that has other roots.
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    context: Context,
    by_roots: Mutex<BTreeMap<[u8; 32], CachedKeySets>>,
}

/// Sends with roots in place of the system's.
#[derive(Debug)]
struct WithRoots {
    http: Arc<dyn HttpSend>,
    pem: Bytes,
}

impl HttpSend for WithRoots {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        self.http.send(Request { ca_pem: Some(self.pem.clone()), ..request })
    }
}

impl IssuerKeys {
    pub(crate) fn new(world: &World) -> Self {
        Self { context: world.context(), by_roots: Mutex::default() }
    }

    /// The sets that are fetched with these roots; with the system's where there are none.
    fn with_roots(&self, pem: &str) -> CachedKeySets {
        let mut by_roots = self.by_roots.lock().unwrap_or_else(PoisonError::into_inner);
        let id = sha256(pem.as_bytes());
        if by_roots.len() >= MAX_ROOTS && !by_roots.contains_key(&id) {
            by_roots.clear();
        }
        let new = || {
            let mut context = self.context.clone();
            if !pem.is_empty() {
                context.http = Arc::new(WithRoots { http: context.http, pem: pem.to_owned().into() });
            }
            CachedKeySets::new(context, LIMITS)
        };
        by_roots.entry(id).or_insert_with(new).clone()
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
                let sets = self.with_roots(&config.config().oidc_discovery_ca_pem);
                sets.keys(issuer, &KeySource::Discovery(destination), kid).await.map(Some)
            }
            KeyOrigin::Sets(pairs) => {
                let mut all = Vec::new();
                for pair in pairs {
                    let url = Url::parse(&pair.jwks_url)
                        .map_err(|error| Error::configuration("read the address of a key set").because(error))?;
                    let source = KeySource::Url(url, destination);
                    all.push(self.with_roots(&pair.jwks_ca_pem).keys(&pair.jwks_url, &source, kid).await?);
                }
                let keys: KeySet = all.iter().flat_map(|set| set.iter().cloned()).collect();
                Ok(Some(Arc::new(keys)))
            }
        }
    }
}
