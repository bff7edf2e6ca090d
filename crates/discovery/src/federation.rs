//! Federation relationships: the bundles of other trust domains, kept fresh.

mod poll;
mod relationship;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use carnet_core::{BoxFuture, Context, Error, chain};
use carnet_net::Settings as Network;
use carnet_spiffe::{Bundle, BundleMap, TrustDomain};
use jiff::Timestamp;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::endpoint::Endpoint;

pub use poll::poll_interval;
pub use relationship::Relationship;

/// Writes a bundle where it outlives the process. Called after every change, before anybody is told.
pub type KeepBundle = Arc<dyn Fn(Arc<Bundle>) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// What a [`Federation`] works with.
#[derive(Clone)]
pub struct FederationParts {
    /// The world. Its HTTP client asks `https_web` endpoints.
    pub context: Context,
    /// How requests leave this machine, for `https_spiffe` endpoints.
    pub network: Network,
    /// The relationships of the moment. Of two for one trust domain the first counts.
    pub relationships: watch::Receiver<Arc<Vec<Relationship>>>,
    /// Bundles that were kept before. Those without a relationship are passed over.
    pub known: BundleMap,
    /// The bundle of the own trust domain, for endpoints that have an identity in it.
    pub own: Option<watch::Receiver<Option<Arc<Bundle>>>>,
    /// Where bundles are kept.
    pub keep: Option<KeepBundle>,
}

/// How a relationship is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainStatus {
    /// When the bundle was read last.
    pub last_success: Option<Timestamp>,
    /// Why it was not, since then; safe to show.
    pub last_error: Option<String>,
    /// How often in a row it was not.
    pub failures: u32,
    /// `spiffe_sequence` of what is believed.
    pub sequence: Option<u64>,
}

/// Polls the bundle endpoints of the relationships, each on its own: at a quarter of what its bundle asks for, or sooner
/// again after a failure. The last good bundle of a domain stays until there is a better one or the relationship ends.
pub struct Federation {
    parts: FederationParts,
    bundles: watch::Sender<Arc<BundleMap>>,
    status: Mutex<BTreeMap<TrustDomain, DomainStatus>>,
}

struct Running {
    relationship: Relationship,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Federation {
    /// Believes what was kept and what the relationships bring along, and asks nobody yet.
    pub fn new(parts: FederationParts) -> Arc<Self> {
        let relationships = Arc::clone(&parts.relationships.borrow());
        let mut bundles = BundleMap::default();
        for relationship in relationships.iter() {
            let known = parts.known.get(&relationship.trust_domain).cloned();
            if let Some(bundle) = relationship.start(known) {
                bundles.0.entry(relationship.trust_domain.clone()).or_insert(bundle);
            }
        }
        Arc::new(Self { parts, bundles: watch::Sender::new(Arc::new(bundles)), status: Mutex::default() })
    }

    /// The bundles of the other trust domains, at any moment. Without the own one.
    pub fn watch(&self) -> watch::Receiver<Arc<BundleMap>> {
        self.bundles.subscribe()
    }

    /// How each relationship is doing.
    pub fn status(&self) -> BTreeMap<TrustDomain, DomainStatus> {
        self.lock_status().clone()
    }

    /// Polls until `shutdown`. A relationship that changes is begun anew; one that ends takes its bundle with it.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut relationships = self.parts.relationships.clone();
        let mut running: BTreeMap<TrustDomain, Running> = BTreeMap::new();
        loop {
            let wanted = relationships.borrow_and_update().clone();
            end(&mut running, |one| wanted.contains(&one.relationship)).await;
            self.forget_others(&wanted);
            for relationship in wanted.iter() {
                running.entry(relationship.trust_domain.clone()).or_insert_with(|| {
                    let stop = shutdown.child_token();
                    let task = tokio::spawn(Arc::clone(&self).follow(relationship.clone(), stop.clone()));
                    Running { relationship: relationship.clone(), stop, task }
                });
            }
            if let Some(Err(_)) = shutdown.run_until_cancelled(relationships.changed()).await {
                // Nobody can change them any more: those that run go on.
                shutdown.cancelled().await;
            }
            if shutdown.is_cancelled() {
                return end(&mut running, |_| false).await;
            }
        }
    }

    /// Reads the bundle of one domain now. True when it has changed.
    ///
    /// # Errors
    /// When there is no such relationship, its endpoint does not answer or is not believed, or its bundle is older than the one
    /// that is there.
    pub async fn refresh(self: &Arc<Self>, domain: &TrustDomain) -> Result<bool, Error> {
        let relationships = Arc::clone(&self.parts.relationships.borrow());
        let relationship = relationships.iter().find(|relationship| relationship.trust_domain == *domain);
        let relationship = relationship.ok_or_else(|| {
            Error::configuration(format!("refresh the bundle of {domain}: there is no federation with it"))
        })?;
        self.poll(relationship, &self.endpoint(relationship)?).await
    }

    /// Takes away the bundles of domains without a relationship, and takes up those that new ones bring along.
    fn forget_others(&self, wanted: &[Relationship]) {
        let of = |domain: &TrustDomain| wanted.iter().find(|one| one.trust_domain == *domain);
        self.lock_status().retain(|domain, _| of(domain).is_some());
        self.bundles.send_if_modified(|bundles| {
            let mut next = BundleMap::clone(bundles);
            next.0.retain(|domain, _| of(domain).is_some());
            for relationship in wanted {
                let held = next.get(&relationship.trust_domain).cloned();
                if let Some(bundle) = relationship.start(held) {
                    next.insert(bundle);
                }
            }
            let changed = next != **bundles;
            if changed {
                *bundles = Arc::new(next);
            }
            changed
        });
    }

    async fn follow(self: Arc<Self>, relationship: Relationship, stop: CancellationToken) {
        let domain = &relationship.trust_domain;
        let endpoint = match self.endpoint(&relationship) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                return tracing::error!(%domain, error = %chain(&error).join(": "), "a federation cannot be followed");
            }
        };
        loop {
            let Some(outcome) = stop.run_until_cancelled(self.poll(&relationship, &endpoint)).await else { return };
            if let Err(error) = outcome {
                tracing::warn!(%domain, error = %chain(&error).join(": "), "a federated bundle was not read; the last good one stays");
            }
            let failures = self.lock_status().get(domain).map_or(0, |status| status.failures);
            let held = self.bundles.borrow().get(domain).cloned();
            let wait = poll::wait(held.as_deref(), failures);
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    fn endpoint(self: &Arc<Self>, relationship: &Relationship) -> Result<Endpoint, Error> {
        let url = relationship.checked_url()?;
        let FederationParts { context, network, .. } = &self.parts;
        let weak = Arc::downgrade(self);
        let bundles = move || weak.upgrade().map_or_else(Arc::default, |federation| federation.believed());
        Ok(Endpoint::new(url, relationship.trust_domain.clone(), &relationship.profile, context, network, bundles))
    }

    /// The bundles of the others, and the own one: whom an endpoint may be of.
    fn believed(&self) -> Arc<BundleMap> {
        let others = Arc::clone(&self.bundles.borrow());
        match self.parts.own.as_ref().and_then(|own| own.borrow().clone()) {
            None => others,
            Some(own) => {
                let mut all = BundleMap::clone(&others);
                all.insert(own);
                Arc::new(all)
            }
        }
    }

    async fn poll(&self, relationship: &Relationship, endpoint: &Endpoint) -> Result<bool, Error> {
        let outcome = match endpoint.fetch().await {
            Ok(bundle) => self.take(relationship, bundle).await,
            Err(error) => Err(error),
        };
        let now = self.parts.context.now();
        let sequence = self.bundles.borrow().get(&relationship.trust_domain).and_then(|bundle| bundle.sequence);
        let mut all = self.lock_status();
        let status = all.entry(relationship.trust_domain.clone()).or_default();
        status.sequence = sequence;
        match &outcome {
            Ok(_) => *status = DomainStatus { last_success: Some(now), last_error: None, failures: 0, sequence },
            Err(error) => {
                status.last_error = Some(chain(error).join(": "));
                status.failures = status.failures.saturating_add(1);
            }
        }
        outcome
    }

    /// Believes a bundle that was read, unless it is older than the one that is there.
    async fn take(&self, relationship: &Relationship, bundle: Bundle) -> Result<bool, Error> {
        let domain = &relationship.trust_domain;
        let held = self.bundles.borrow().get(domain).cloned();
        if let Some(held) = &held {
            relationship::refuse_older(held, &bundle)?;
            if **held == bundle {
                return Ok(false);
            }
        }
        let bundle = bundle.shared();
        if bundle.is_empty() {
            tracing::warn!(%domain, "the bundle of a federated trust domain has no key any more: nothing of it is believed");
        }
        if let Some(keep) = &self.parts.keep
            && let Err(error) = keep(Arc::clone(&bundle)).await
        {
            // Its keys are good all the same, and without them its tokens would be refused.
            tracing::error!(%domain, error = %chain(&error).join(": "), "a federated bundle could not be kept");
        }
        tracing::info!(%domain, sequence = bundle.sequence, "a federated bundle has changed");
        self.bundles.send_modify(|bundles| {
            let mut next = BundleMap::clone(bundles);
            next.insert(bundle);
            *bundles = Arc::new(next);
        });
        Ok(true)
    }

    fn lock_status(&self) -> MutexGuard<'_, BTreeMap<TrustDomain, DomainStatus>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends what is not wanted any more, and waits for its end, so that it cannot bring its bundle back.
async fn end(running: &mut BTreeMap<TrustDomain, Running>, is_wanted: impl Fn(&Running) -> bool) {
    let ended = running.extract_if(.., |_, one| !is_wanted(one)).map(|(_, one)| one);
    for Running { stop, task, .. } in ended.collect::<Vec<_>>() {
        stop.cancel();
        drop(task.await);
    }
}

impl fmt::Debug for FederationParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FederationParts")
            .field("relationships", &self.relationships.borrow().len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Federation").field("parts", &self.parts).finish_non_exhaustive()
    }
}
