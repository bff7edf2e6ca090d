//! Foreign trust domains, from the configuration and from the store.

use std::sync::Arc;

use carnet_core::{Context, Error};
use carnet_discovery::{EndpointProfile, Federation, FederationParts, KeepBundle, Relationship};
use carnet_issuer::ForeignAges;
use carnet_net::Settings as Network;
use carnet_spiffe::{Bundle, BundleMap, TrustDomain};
use carnet_store::{AuditRecord, Commit, Committed, Expect, ObjectKind, Op, Outcome, Store};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Foreign;

/// Largest bundle file, in bytes.
const MAX_BUNDLE: usize = 1 << 20;

/// A foreign trust domain as the admin API puts it into the store, under the name of the domain.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoredForeign {
    /// Where it publishes its bundle.
    pub url: String,
    /// How that endpoint shows who it is.
    pub profile: EndpointProfile,
    /// Its first bundle, in the SPIFFE form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<serde_json::Value>,
    /// Longest life of its JWT-SVIDs (`exp - iat`), in seconds: 86400 unless given. Those without `iat` are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u32>,
}

/// A foreign trust domain, wherever it was read.
#[derive(Clone, Debug)]
struct Known {
    relationship: Relationship,
    max_age: Option<u32>,
}

/// The federation of an authority, and what follows the store for it.
#[derive(Debug)]
pub(crate) struct Neighbours {
    pub(crate) federation: Arc<Federation>,
    configured: Vec<Known>,
    ages: watch::Sender<Arc<ForeignAges>>,
    relationships: watch::Sender<Arc<Vec<Relationship>>>,
    store: Arc<dyn Store>,
}

impl Neighbours {
    /// Believes what configuration and store say, and asks nobody yet.
    pub(crate) async fn open(
        foreign: &[Foreign],
        own: watch::Receiver<Option<Arc<Bundle>>>,
        store: &Arc<dyn Store>,
        context: &Context,
        network: Network,
    ) -> Result<Self, Error> {
        let mut configured = Vec::new();
        for one in foreign {
            configured.push(Known { relationship: relationship(one, context)?, max_age: one.max_age });
        }
        let (all, ages) = with_stored(&configured, &**store).await?;
        let relationships = watch::Sender::new(Arc::new(all));
        let federation = Federation::new(FederationParts {
            context: context.clone(),
            network,
            relationships: relationships.subscribe(),
            known: known(&**store).await?,
            own: Some(own),
            keep: Some(keep(store, context)),
        });
        let ages = watch::Sender::new(Arc::new(ages));
        Ok(Self { federation, configured, ages, relationships, store: Arc::clone(store) })
    }

    /// How long JWT-SVIDs of each domain may live, as it changes.
    pub(crate) fn ages(&self) -> watch::Receiver<Arc<ForeignAges>> {
        self.ages.subscribe()
    }

    /// Polls the bundle endpoints and follows what the admin API changes, until `shutdown`.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let polling = Arc::clone(&self.federation).run(shutdown.clone());
        let following = async {
            let mut changes = self.store.changes();
            while let Some(Ok(())) = shutdown.run_until_cancelled(changes.changed()).await {
                match with_stored(&self.configured, &*self.store).await {
                    Ok((all, ages)) => {
                        // First how long, then by which keys.
                        replace(&self.ages, ages);
                        replace(&self.relationships, all);
                    }
                    Err(error) => tracing::error!(%error, "foreign trust domains are not read; the last ones count"),
                }
            }
        };
        tokio::join!(polling, following);
    }
}

fn replace<T: PartialEq>(place: &watch::Sender<Arc<T>>, new: T) {
    place.send_if_modified(|old| {
        let differs = **old != new;
        if differs {
            *old = Arc::new(new);
        }
        differs
    });
}

fn relationship(foreign: &Foreign, context: &Context) -> Result<Relationship, Error> {
    let mut relationship = foreign.relationship.clone();
    if let Some(path) = &foreign.bundle_file {
        let place = path.display();
        let bytes = context.files.read(path, MAX_BUNDLE)?;
        let bytes = bytes.ok_or_else(|| Error::configuration(format!("the bundle file {place} is missing")))?;
        let bundle = Bundle::parse(&relationship.trust_domain, bytes.expose())
            .map_err(|error| Error::configuration(format!("read the bundle file {place}")).because(error))?;
        relationship.bootstrap = Some(Arc::new(bundle));
    }
    Ok(relationship)
}

/// What is configured comes first: of two for one trust domain the first counts.
async fn with_stored(configured: &[Known], store: &dyn Store) -> Result<(Vec<Relationship>, ForeignAges), Error> {
    let mut all = configured.to_vec();
    for object in store.objects(ObjectKind::FederatedDomain).await? {
        let failed = || Error::configuration(format!("read the foreign trust domain {} of the store", object.name));
        let trust_domain = TrustDomain::try_from(object.name.as_str()).map_err(|error| failed().because(error))?;
        let stored: StoredForeign =
            serde_json::from_value(object.body.clone()).map_err(|error| failed().because(error))?;
        let bootstrap = match &stored.bundle {
            None => None,
            Some(document) => {
                let bytes = document.to_string();
                let bundle = Bundle::parse(&trust_domain, bytes.as_bytes()).map_err(|error| failed().because(error))?;
                Some(Arc::new(bundle))
            }
        };
        let relationship = Relationship { trust_domain, url: stored.url, profile: stored.profile, bootstrap };
        all.push(Known { relationship, max_age: stored.max_age });
    }
    let mut ages = ForeignAges::new();
    for known in all.iter().rev() {
        let domain = known.relationship.trust_domain.clone();
        match known.max_age {
            Some(seconds) => ages.insert(domain, SignedDuration::from_secs(i64::from(seconds))),
            None => ages.remove(&domain),
        };
    }
    Ok((all.into_iter().map(|known| known.relationship).collect(), ages))
}

/// The bundles that were kept before.
async fn known(store: &dyn Store) -> Result<BundleMap, Error> {
    let mut bundles = BundleMap::default();
    for object in store.objects(ObjectKind::Bundle).await? {
        let bytes = object.body.to_string();
        let read = TrustDomain::try_from(object.name.as_str())
            .map_err(|error| error.to_string())
            .and_then(|domain| Bundle::parse(&domain, bytes.as_bytes()).map_err(|error| error.to_string()));
        match read {
            Ok(bundle) => drop(bundles.insert(bundle)),
            // It is fetched again.
            Err(error) => tracing::warn!(name = object.name, error, "a kept bundle cannot be read"),
        }
    }
    Ok(bundles)
}

fn keep(store: &Arc<dyn Store>, context: &Context) -> KeepBundle {
    let (store, context) = (Arc::clone(store), context.clone());
    Arc::new(move |bundle| {
        let (store, context) = (Arc::clone(&store), context.clone());
        Box::pin(async move {
            let name = bundle.trust_domain.as_str().to_owned();
            let body = bundle.to_json().map_err(|error| Error::internal("write a bundle").because(error))?;
            let audit = AuditRecord {
                actor: "authority".to_owned(),
                subject: bundle.trust_domain.id().as_str().to_owned(),
                request_id: context.random_hex::<16>(),
                ..AuditRecord::new(context.now(), "federation.bundle", Outcome::Allowed)
            };
            let op = Op::PutObject { kind: ObjectKind::Bundle, name, body, expect: Expect::Any };
            match store.commit(Commit { ops: vec![op], audit, refused: None }).await? {
                Committed::Done { .. } => Ok(()),
                Committed::Conflict(_) => Err(Error::internal("keep a bundle: it is being changed by another node")),
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use carnet_core::test_context;
    use carnet_store::Options;
    use serde_json::json;

    use super::*;

    fn foreign(name: &str, max_age: Option<u32>) -> Foreign {
        let relationship = Relationship {
            trust_domain: name.parse().unwrap(),
            url: "https://bundle.example/".to_owned(),
            profile: EndpointProfile::HttpsWeb,
            bootstrap: None,
        };
        Foreign { relationship, bundle_file: None, max_age }
    }

    #[tokio::test]
    async fn lives_are_bounded_as_configured_and_else_as_stored() {
        let store: Arc<dyn Store> = carnet_store::open("sqlite::memory:", Options::default()).await.unwrap();
        let context = test_context();
        for name in ["both.example", "plain.example", "stored.example"] {
            let body = json!({ "url": "https://other.example/", "profile": { "type": "https_web" }, "max_age": 60 });
            let (kind, expect) = (ObjectKind::FederatedDomain, Expect::Any);
            let op = Op::PutObject { kind, name: name.to_owned(), body, expect };
            let audit = AuditRecord::new(context.now(), "federation.put", Outcome::Allowed);
            let done = store.commit(Commit { ops: vec![op], audit, refused: None }).await.unwrap();
            assert!(matches!(done, Committed::Done { .. }));
        }
        let configured = [foreign("both.example", Some(300)), foreign("plain.example", None)];
        let own = watch::Sender::new(None).subscribe();
        let neighbours = Neighbours::open(&configured, own, &store, &context, Network::default()).await.unwrap();
        let ages = neighbours.ages().borrow().clone();
        let told: Vec<_> = ages.iter().map(|(domain, age)| (domain.as_str(), age.as_secs())).collect();
        assert_eq!(told, [("both.example", 300), ("stored.example", 60)]);
    }
}
