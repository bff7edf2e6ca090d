//! Bundles, once as they are used and once as they are sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use carnet_spiffe::{Bundle, BundleError, BundleMap, TrustDomain};

/// The bundles that the authority has given, and their forms in the Workload API. There is one set for all callers.
#[derive(Debug, Default)]
pub(crate) struct Bundles {
    map: BundleMap,
    sent: BTreeMap<TrustDomain, Sent>,
}

/// The forms of one bundle.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Concatenated DER certificates.
    pub(crate) x509: Vec<u8>,
    /// A JWK set as JSON.
    pub(crate) jwt: Vec<u8>,
}

impl Bundles {
    pub(crate) fn new(map: BundleMap) -> Result<Self, BundleError> {
        let sent = map.0.iter().map(|(domain, bundle)| {
            let jwt = bundle.jwks_json(false)?.to_string().into_bytes();
            Ok((domain.clone(), Sent { x509: bundle.x509_der(), jwt }))
        });
        let sent = sent.collect::<Result<_, BundleError>>()?;
        Ok(Self { map, sent })
    }

    pub(crate) fn get(&self, domain: &TrustDomain) -> Option<&Arc<Bundle>> {
        self.map.get(domain)
    }

    pub(crate) fn sent(&self, domain: &TrustDomain) -> Option<&Sent> {
        self.sent.get(domain)
    }

    /// Those of these domains, for verifying.
    pub(crate) fn of(&self, domains: &BTreeSet<TrustDomain>) -> BundleMap {
        domains.iter().filter_map(|domain| self.get(domain).cloned()).collect()
    }
}
