//! The bundles of several trust domains, side by side.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value, json};

use crate::{
    Bundle, BundleError, TrustDomain,
    bundle::{Document, from_json},
};

/// The bundles that somebody believes, each for its own domain only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleMap(pub BTreeMap<TrustDomain, Arc<Bundle>>);

impl BundleMap {
    /// Largest document that is looked at, in bytes.
    pub const MAX_LENGTH: usize = 16 << 20;
    /// Most trust domains in a document.
    pub const MAX_DOMAINS: usize = 1000;

    /// The bundle of this domain.
    pub fn get(&self, domain: &TrustDomain) -> Option<&Arc<Bundle>> {
        self.0.get(domain)
    }

    /// Adds a bundle under its own domain; gives back the one that was there.
    pub fn insert(&mut self, bundle: impl Into<Arc<Bundle>>) -> Option<Arc<Bundle>> {
        let bundle = bundle.into();
        self.0.insert(bundle.trust_domain.clone(), bundle)
    }

    /// Reads a bundle map document, `{"trust_domains": {"NAME": BUNDLE, …}}`.
    ///
    /// # Errors
    /// When it is over [`Self::MAX_LENGTH`], has more than [`Self::MAX_DOMAINS`] domains, names one twice, or a bundle
    /// cannot be read; see [`Bundle::parse`].
    pub fn parse(json: &[u8]) -> Result<Self, BundleError> {
        let MapDocument { trust_domains: Domains(documents) } = from_json(json, Self::MAX_LENGTH)?;
        let bundles = documents.into_iter().map(|(domain, document)| {
            let bundle = document.into_spiffe_bundle(&domain);
            let bundle = bundle.map_err(|BundleError(wrong)| BundleError(format!("{domain}: {wrong}")))?;
            Ok((domain, Arc::new(bundle)))
        });
        Ok(Self(bundles.collect::<Result<_, _>>()?))
    }

    /// The document that [`Self::parse`] reads.
    ///
    /// # Errors
    /// See [`Bundle::to_json`].
    pub fn to_json(&self) -> Result<Value, BundleError> {
        let bundles = self.0.iter().map(|(domain, bundle)| Ok((domain.to_string(), bundle.to_json()?)));
        Ok(json!({ "trust_domains": bundles.collect::<Result<Map<_, _>, BundleError>>()? }))
    }
}

impl FromIterator<Arc<Bundle>> for BundleMap {
    fn from_iter<I: IntoIterator<Item = Arc<Bundle>>>(bundles: I) -> Self {
        Self(bundles.into_iter().map(|bundle| (bundle.trust_domain.clone(), bundle)).collect())
    }
}

#[derive(Deserialize)]
struct MapDocument {
    trust_domains: Domains,
}

/// No domain twice: two parsers would believe two different bundles.
struct Domains(BTreeMap<TrustDomain, Document>);

impl<'de> Deserialize<'de> for Domains {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DomainsVisitor;
        impl<'de> Visitor<'de> for DomainsVisitor {
            type Value = Domains;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of bundles by the names of their trust domains")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Domains, A::Error> {
                let mut domains = BTreeMap::new();
                while let Some((name, document)) = access.next_entry::<TrustDomain, Document>()? {
                    if domains.len() == BundleMap::MAX_DOMAINS {
                        let most = BundleMap::MAX_DOMAINS;
                        return Err(A::Error::custom(format_args!("more than {most} trust domains")));
                    }
                    let twice = format!("the trust domain {name} occurs twice");
                    if domains.insert(name, document).is_some() {
                        return Err(A::Error::custom(twice));
                    }
                }
                Ok(Domains(domains))
            }
        }
        deserializer.deserialize_map(DomainsVisitor)
    }
}
