//! The issuer: what it is made of.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use carnet_core::{Context, Error};
use carnet_keys::KeyRing;
use carnet_kubernetes::relying::ClusterVerifier;
use carnet_spiffe::{BundleMap, TrustDomain};
use carnet_store::Store;
use jiff::SignedDuration;
use tokio::sync::watch;

use crate::{
    IssuerSettings, RuleSet,
    inbound::{Clusters, KeySets, SignedRequests},
    refusals::Refusals,
    trusted::USUAL_MAX_AGE,
};

/// What an issuer is made of.
#[derive(Clone, Debug)]
pub struct IssuerParts {
    /// `iss` of what is issued, byte for byte as the discovery document has it. Also what subject tokens must be for, unless a rule says otherwise.
    pub issuer_url: String,
    /// The trust domain of what is issued.
    pub trust_domain: TrustDomain,
    /// The keys that sign.
    pub keys: watch::Receiver<Arc<KeyRing>>,
    /// Where every outcome is written.
    pub store: Arc<dyn Store>,
    /// What is allowed.
    pub rules: watch::Receiver<Arc<RuleSet>>,
    /// Bundles of other trust domains. That of our own is taken from the keys, whatever stands here.
    pub bundles: watch::Receiver<Arc<BundleMap>>,
    /// Time, randomness, and the network for the keys of other issuers.
    pub context: Context,
    /// The rest.
    pub settings: IssuerSettings,
}

/// Longest life (`exp - iat`) of JWT-SVIDs, by foreign trust domain. Domains that are not in it have a day.
pub type ForeignAges = BTreeMap<TrustDomain, SignedDuration>;

/// Issues. One for the whole process, in an [`Arc`]; all calls may run at once.
pub struct Issuer {
    parts: IssuerParts,
    foreign_ages: Option<watch::Receiver<Arc<ForeignAges>>>,
    clusters: Mutex<Arc<Clusters>>,
    endpoint_base: String,
    key_sets: KeySets,
    signed: SignedRequests,
    bundles: Mutex<MergedBundles>,
    refusals: Refusals,
}

/// The bundles of others and our own, made when one of them has changed.
#[derive(Default)]
struct MergedBundles {
    of: Option<(Arc<KeyRing>, Arc<BundleMap>)>,
    merged: Arc<BundleMap>,
}

impl Issuer {
    /// An issuer. Nothing is fetched or written yet.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when the URL is none that can be an issuer, or the settings have mistakes.
    pub fn new(parts: IssuerParts) -> Result<Self, Error> {
        let wrong = |what: &str| {
            let error = Error::configuration(format!("be the issuer {:?}: {what}", parts.issuer_url));
            Err(error.hint("write an https URL without query and fragment, exactly as others will compare it"))
        };
        match url::Url::parse(&parts.issuer_url) {
            Err(_) => return wrong("it is not a URL"),
            Ok(url) if !matches!(url.scheme(), "https" | "http") => return wrong("it is neither https nor http"),
            // RFC 8414, 2.
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                return wrong("it has a query or a fragment");
            }
            Ok(_) => {}
        }
        parts.settings.check().map_err(|mistakes| {
            let texts: Vec<String> =
                mistakes.iter().map(|mistake| format!("{}: {}", mistake.field, mistake.message)).collect();
            Error::configuration(format!("the settings of the issuer are refused: {}", texts.join("; ")))
        })?;
        let base = parts.settings.endpoint_base.as_deref().unwrap_or(&parts.issuer_url);
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self {
            signed: SignedRequests::new(&parts.issuer_url, &base, &parts.settings),
            endpoint_base: base,
            key_sets: KeySets::new(parts.context.clone(), parts.settings.fetch_timeout),
            bundles: Mutex::default(),
            refusals: Refusals::new(parts.settings.refusals_per_second),
            foreign_ages: None,
            clusters: Mutex::default(),
            parts,
        })
    }

    /// The same, with bounds for the lives of foreign JWT-SVIDs. They count as they are when one is shown.
    #[must_use]
    pub fn with_foreign_ages(self, ages: watch::Receiver<Arc<ForeignAges>>) -> Self {
        Self { foreign_ages: Some(ages), ..self }
    }

    /// Believes the pods of these Kubernetes clusters from now on, in place of those before. Tokens of their issuers are verified as they say, and in no
    /// other way; rules say who may do what.
    pub fn set_clusters(&self, clusters: impl IntoIterator<Item = ClusterVerifier>) {
        *self.clusters.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(Clusters::of(clusters));
    }

    /// `iss` of what it issues.
    pub fn issuer_url(&self) -> &str {
        &self.parts.issuer_url
    }

    /// The trust domain of what it issues.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.parts.trust_domain
    }

    /// The settings that it was made with.
    pub fn settings(&self) -> &IssuerSettings {
        &self.parts.settings
    }

    pub(crate) fn context(&self) -> &Context {
        &self.parts.context
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.parts.store
    }

    pub(crate) fn endpoint_base(&self) -> &str {
        &self.endpoint_base
    }

    pub(crate) fn key_sets(&self) -> &KeySets {
        &self.key_sets
    }

    pub(crate) fn clusters(&self) -> Arc<Clusters> {
        Arc::clone(&self.clusters.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn signed(&self) -> &SignedRequests {
        &self.signed
    }

    pub(crate) fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.parts.keys.borrow())
    }

    pub(crate) fn rules(&self) -> Arc<RuleSet> {
        Arc::clone(&self.parts.rules.borrow())
    }

    /// Longest life of a JWT-SVID of this domain. Of our own domain nothing lives longer than what is issued here.
    pub(crate) fn max_svid_age(&self, domain: &TrustDomain) -> SignedDuration {
        if *domain == self.parts.trust_domain {
            return self.parts.settings.max_lifetime;
        }
        let ages = self.foreign_ages.as_ref().map(watch::Receiver::borrow);
        let age = ages.and_then(|ages| ages.get(domain).copied());
        age.unwrap_or_else(|| SignedDuration::from_secs(i64::from(USUAL_MAX_AGE)))
    }

    /// The bundles that SVIDs are verified with.
    pub(crate) fn bundle_map(&self) -> Arc<BundleMap> {
        let (ring, others) = (self.ring(), Arc::clone(&self.parts.bundles.borrow()));
        let mut kept = self.bundles.lock().unwrap_or_else(PoisonError::into_inner);
        let current = kept.of.as_ref().is_some_and(|(of, with)| Arc::ptr_eq(of, &ring) && Arc::ptr_eq(with, &others));
        if !current {
            let mut merged = (*others).clone();
            merged.insert(ring.bundle(&self.parts.trust_domain));
            *kept = MergedBundles { of: Some((ring, others)), merged: Arc::new(merged) };
        }
        Arc::clone(&kept.merged)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("issuer_url", &self.parts.issuer_url).finish_non_exhaustive()
    }
}
