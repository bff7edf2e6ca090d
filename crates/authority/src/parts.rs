//! Everything an authority is made of, opened in the order in which one needs the other.

use std::sync::Arc;

use carnet_attest::protocol::authority_id;
use carnet_core::{Context, Error};
use carnet_entries::{Entries, EntriesParts, FollowedFile, Mint, Nodes, NodesParts};
use carnet_issuer::{Issuer, IssuerParts};
use carnet_keys::KeyManager;
use carnet_net::Settings as Network;
use carnet_ops::Metrics;
use carnet_store::Store;

use crate::{
    Rules, Settings,
    bundle::Bundles,
    files::{FromFiles, toml_files},
    identity::OwnIdentity,
    metered::MeteredStore,
    neighbours::Neighbours,
    open::{check_belongs, open_keys, open_store},
};

/// The parts, open and ready to run.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) context: Context,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<KeyManager>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) mint: Arc<dyn Mint>,
    pub(crate) entries: Arc<Entries>,
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) identity: Arc<OwnIdentity>,
}

/// The parts that run by themselves, each of them once.
#[derive(Debug)]
pub(crate) struct Movers {
    pub(crate) bundles: Bundles,
    pub(crate) neighbours: Neighbours,
}

impl Parts {
    /// Opens store, keys, rules and all the rest.
    ///
    /// # Errors
    /// The first part that cannot be had as it is configured.
    pub(crate) async fn open(
        settings: Settings,
        context: Context,
        network: Network,
        metrics: &Metrics,
    ) -> Result<(Self, Movers), Error> {
        // A mistake in a file must not leave a new store and its keys behind.
        let FromFiles { attestors, clusters, warnings: _ } = settings.check_files(&context)?;
        let store = open_store(&settings.store, &network, &context).await?;
        let store: Arc<dyn Store> = Arc::new(MeteredStore::new(store, metrics));
        check_belongs(&*store, &settings.trust_domain, &context).await?;
        let keys = open_keys(&settings.keys, &store, &context).await?;
        let trust_domain = settings.trust_domain.clone();
        let bundles = Bundles::new(trust_domain.clone(), keys.watch());
        let neighbours = Neighbours::open(&settings.federation, bundles.own(), &store, &context, network).await?;
        let rules = Rules::open(settings.rules.clone(), Arc::clone(&store), context.clone(), settings.ground()).await?;
        let issuer = Issuer::new(IssuerParts {
            issuer_url: settings.issuer.clone(),
            trust_domain: trust_domain.clone(),
            keys: keys.watch(),
            store: Arc::clone(&store),
            rules: rules.watch(),
            bundles: neighbours.federation.watch(),
            context: context.clone(),
            settings: settings.tokens.clone(),
        })?;
        let issuer = Arc::new(issuer.with_foreign_ages(neighbours.ages()));
        issuer.set_clusters(clusters);
        let mint: Arc<dyn Mint> = Arc::<Issuer>::clone(&issuer);
        let entries = Entries::open(EntriesParts {
            store: Arc::clone(&store),
            context: context.clone(),
            trust_domain: trust_domain.clone(),
            bundles: neighbours.federation.watch(),
        })
        .await?;
        let nodes = Nodes::open(NodesParts {
            store: Arc::clone(&store),
            context: context.clone(),
            trust_domain: trust_domain.clone(),
            mint: Arc::clone(&mint),
            attestors: Arc::new(attestors),
            agent_ttl: None,
        })
        .await?;
        let identity = OwnIdentity::open(authority_id(&trust_domain)?, Arc::clone(&issuer), context.clone()).await?;
        let parts =
            Self { settings, context, store, keys, rules, issuer, mint, entries, nodes, identity: Arc::new(identity) };
        parts.apply_entry_files().await?;
        Ok((parts, Movers { bundles, neighbours }))
    }

    /// Reads the files of entries, each under its own path as their owner: what has vanished from one is removed, and a
    /// file that has vanished takes nothing away.
    ///
    /// # Errors
    /// The first file that cannot be applied.
    pub(crate) async fn apply_entry_files(&self) -> Result<(), Error> {
        for path in toml_files(&self.settings.entries)? {
            let file = FollowedFile { label: path.display().to_string(), path };
            file.apply(&self.entries, &self.context).await?;
        }
        Ok(())
    }
}
