//! The bundles of the moment: our own from the keys, those of others from the federation.

use std::sync::Arc;

use carnet_keys::KeyRing;
use carnet_spiffe::{Bundle, BundleMap, TrustDomain};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Our own bundle and all bundles, as they change.
#[derive(Debug)]
pub(crate) struct Bundles {
    trust_domain: TrustDomain,
    keys: watch::Receiver<Arc<KeyRing>>,
    own: watch::Sender<Option<Arc<Bundle>>>,
    all: watch::Sender<Arc<BundleMap>>,
}

impl Bundles {
    /// The bundle of these keys.
    pub(crate) fn new(trust_domain: TrustDomain, keys: watch::Receiver<Arc<KeyRing>>) -> Self {
        let own = Arc::new(keys.borrow().bundle(&trust_domain));
        let all = BundleMap::from_iter([Arc::clone(&own)]);
        Self { trust_domain, keys, own: watch::Sender::new(Some(own)), all: watch::Sender::new(Arc::new(all)) }
    }

    /// Our own.
    pub(crate) fn own(&self) -> watch::Receiver<Option<Arc<Bundle>>> {
        self.own.subscribe()
    }

    /// Our own and those of others.
    pub(crate) fn all(&self) -> watch::Receiver<Arc<BundleMap>> {
        self.all.subscribe()
    }

    /// Follows keys and federation until `shutdown`.
    pub(crate) async fn run(mut self, mut others: watch::Receiver<Arc<BundleMap>>, shutdown: CancellationToken) {
        loop {
            let own = Arc::new(self.keys.borrow_and_update().bundle(&self.trust_domain));
            let mut all = BundleMap::clone(&others.borrow_and_update());
            all.0.insert(self.trust_domain.clone(), Arc::clone(&own));
            self.own.send_if_modified(|old| {
                let changed = old.as_ref() != Some(&own);
                if changed {
                    *old = Some(own);
                }
                changed
            });
            self.all.send_if_modified(|old| {
                let changed = **old != all;
                if changed {
                    *old = Arc::new(all);
                }
                changed
            });
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = self.keys.changed() => if changed.is_err() { return },
                changed = others.changed() => if changed.is_err() { return },
            }
        }
    }
}
