//! A running authority: its listeners and what keeps it going.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use carnet_core::{Context, Error};
use carnet_discovery::Federation;
use carnet_net::{Settings as Network, listen};
use carnet_ops::{Health, Metrics};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    Settings,
    admin::{self, AdminParts},
    doors::{Doors, Served},
    keepers::{gauges, spawn_keepers},
    parts::{Movers, Parts},
};

/// An authority that listens already and serves nobody yet.
#[derive(Debug)]
pub struct Authority {
    parts: Arc<Parts>,
    movers: Movers,
    doors: Doors,
    health: Health,
    metrics: Metrics,
}

/// The listener for relying parties, open.
#[derive(Debug)]
pub(crate) struct Public(pub(crate) TcpListener);

/// Where an authority listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For relying parties and token exchange.
    pub public: SocketAddr,
    /// For agents.
    pub nodes: Option<SocketAddr>,
    /// For bundles by `https_spiffe`.
    pub bundle: Option<SocketAddr>,
    /// For the admin API.
    pub admin: PathBuf,
    /// For probes and Prometheus.
    pub diagnostics: Option<SocketAddr>,
}

impl Authority {
    /// Opens store, keys, rules and listeners.
    ///
    /// # Errors
    /// The first part that cannot be had as it is configured.
    pub async fn open(settings: Settings, context: Context, network: Network) -> Result<Self, Error> {
        let public = Public(listen("relying parties", settings.listen.public)?);
        Self::open_at(public, settings, context, network).await
    }

    /// The same on a listener that is open already.
    pub(crate) async fn open_at(
        public: Public,
        settings: Settings,
        context: Context,
        network: Network,
    ) -> Result<Self, Error> {
        // First the sockets: a mistake in an address, or another authority that runs already, is told before the store is
        // touched.
        let doors = Doors::open(public.0, &settings, &context)?;
        let metrics = Metrics::new("carnet");
        let (parts, movers) = Box::pin(Parts::open(settings, context, network, &metrics)).await?;
        Ok(Self { parts: Arc::new(parts), movers, doors, health: Health::new(), metrics })
    }

    /// What stands in `iss` of what it issues.
    pub fn issuer_url(&self) -> &str {
        self.parts.issuer.issuer_url()
    }

    /// Its trust domain.
    pub fn trust_domain(&self) -> &carnet_spiffe::TrustDomain {
        &self.parts.settings.trust_domain
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn addresses(&self) -> Result<Addresses, Error> {
        self.doors.addresses()
    }

    /// Serves until `shutdown`; then listeners close, requests that run come to their end, and the store is closed.
    /// Each change of `reload` has the files of rules, entries, node attestation, clusters and the public certificate read again; all but
    /// those of node attestation and clusters are also followed by themselves.
    ///
    /// # Errors
    /// When the routes cannot be served as configured.
    pub async fn run(self, reload: watch::Receiver<u64>, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { parts, movers, doors, health, metrics } = self;
        let Movers { bundles, neighbours } = movers;
        let mut tasks = JoinSet::new();
        let served = Served {
            parts: &parts,
            own: bundles.own(),
            all: bundles.all(),
            admin: admin::router(admin_parts(&parts, &neighbours.federation, &health)),
            health: &health,
            metrics: &metrics,
            reload: &reload,
        };
        doors.serve(&served, &shutdown, &mut tasks)?;
        tasks.spawn(bundles.run(neighbours.federation.watch(), shutdown.clone()));
        tasks.spawn(neighbours.run(shutdown.clone()));
        spawn_keepers(&parts, &health, &reload, &shutdown, &mut tasks);
        tasks.spawn(gauges(Arc::clone(&parts), metrics, shutdown.clone()));
        shutdown.cancelled().await;
        health.stopping();
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the authority ended in disorder");
            }
        }
        if let Err(error) = parts.issuer.flush_refusals().await {
            tracing::error!(%error, "the count of refusals is not written");
        }
        parts.store.close().await;
        Ok(())
    }
}

fn admin_parts(parts: &Parts, federation: &Arc<Federation>, health: &Health) -> AdminParts {
    let url = &parts.settings.store.url;
    AdminParts {
        store: Arc::clone(&parts.store),
        store_kind: url.split_once(':').map_or(url.as_str(), |(kind, _)| kind).replace("postgresql", "postgres"),
        keys: Arc::clone(&parts.keys),
        entries: Arc::clone(&parts.entries),
        nodes: Arc::clone(&parts.nodes),
        rules: Arc::clone(&parts.rules),
        federation: Arc::clone(federation),
        trust_domain: parts.settings.trust_domain.clone(),
        issuer_url: parts.settings.issuer.clone(),
        access: parts.settings.listen.admin.clone(),
        own_uid: rustix::process::geteuid().as_raw(),
        context: parts.context.clone(),
        health: health.clone(),
    }
}
