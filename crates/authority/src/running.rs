//! A running authority: its listeners and what keeps it going.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{Router, routing::any_service};
use carnet_core::{Context, Error};
use carnet_discovery::{Federation, acme::Acme};
use carnet_entries::{NodeApi, node_router};
use carnet_net::{CertificateFiles, ClientCertificates, Limits, Settings as Network, TlsServerConfig, UnixSocket};
use carnet_ops::{Health, Metrics, diagnostics};
use carnet_spiffe::BundleMap;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    Listen, Settings,
    admin::{self, AdminParts},
    keepers::{gauges, spawn_keepers},
    listeners::{address_of, listen},
    parts::{Movers, Parts},
    public,
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

/// Where the certificate for relying parties comes from.
#[derive(Debug)]
enum PublicCertificate {
    Files(CertificateFiles, Duration),
    Acme(Arc<Acme>, TcpListener),
}

impl PublicCertificate {
    async fn open(at: &Listen, context: &Context) -> Result<Option<Self>, Error> {
        if let Some(tls) = &at.tls {
            let files = Arc::clone(&context.files);
            let files = CertificateFiles::open(files, tls.certificate.clone(), tls.key.clone())?;
            return Ok(Some(Self::Files(files, tls.look)));
        }
        let Some((settings, challenge)) = &at.acme else { return Ok(None) };
        let acme = Acme::new(settings.clone(), context.clone())?;
        Ok(Some(Self::Acme(acme, listen("the proofs of ACME", *challenge).await?)))
    }

    /// TLS with it, and what keeps it fresh.
    fn serve(self, shutdown: &CancellationToken, tasks: &mut JoinSet<()>) -> Result<Arc<TlsServerConfig>, Error> {
        let clients = ClientCertificates::Optional(any_certificate());
        let stop = shutdown.clone();
        let config = match self {
            Self::Files(files, look) => {
                let config = TlsServerConfig::new(files.source(), clients)?;
                tasks.spawn(async move { files.watch(look, stop).await });
                config
            }
            Self::Acme(acme, challenges) => {
                let config = TlsServerConfig::new(acme.source(), clients)?;
                tasks.spawn(carnet_net::serve(challenges, acme.challenge_router(), None, stop.clone()));
                tasks.spawn(acme.run(stop));
                config
            }
        };
        Ok(Arc::new(config))
    }
}

#[derive(Debug)]
struct Doors {
    public: TcpListener,
    public_tls: Option<PublicCertificate>,
    nodes: Option<TcpListener>,
    bundle: Option<TcpListener>,
    admin: UnixSocket,
    diagnostics: Option<TcpListener>,
}

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
        let public = Public(listen("relying parties", settings.listen.public).await?);
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
        let doors = Doors::open(public, &settings, &context).await?;
        let metrics = Metrics::new("carnet");
        let (parts, movers) = Parts::open(settings, context, network, &metrics).await?;
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
        let of = |listener: &Option<TcpListener>| listener.as_ref().map(address_of).transpose();
        Ok(Addresses {
            public: address_of(&self.doors.public)?,
            nodes: of(&self.doors.nodes)?,
            bundle: of(&self.doors.bundle)?,
            admin: self.doors.admin.path().to_owned(),
            diagnostics: of(&self.doors.diagnostics)?,
        })
    }

    /// Serves until `shutdown`; then listeners close, requests that run come to their end, and the store is closed.
    /// Each change of `reload` has rules, entries and certificates read again.
    ///
    /// # Errors
    /// When the routes cannot be served as configured.
    pub async fn run(self, reload: watch::Receiver<u64>, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { parts, movers, doors, health, metrics } = self;
        let Movers { bundles, neighbours } = movers;
        let (own, all) = (bundles.own(), bundles.all());
        let mut tasks = JoinSet::new();
        let admin = admin::router(admin_parts(&parts, &neighbours.federation, &health));
        doors.serve(&parts, &own, &all, &admin, &health, &metrics, &shutdown, &mut tasks)?;
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

impl Doors {
    async fn open(public: Public, settings: &Settings, context: &Context) -> Result<Self, Error> {
        let at = &settings.listen;
        let optional = async |what, address: Option<SocketAddr>| match address {
            Some(address) => listen(what, address).await.map(Some),
            None => Ok(None),
        };
        Ok(Self {
            public: public.0,
            public_tls: PublicCertificate::open(at, context).await?,
            nodes: optional("agents", at.nodes).await?,
            bundle: optional("bundles", at.bundle).await?,
            // Who may use it is decided by who connects, so that a user who may not is told so.
            admin: UnixSocket::bind_in_folder(&at.admin.socket, 0o666, 0o755)?.counted_by_user(),
            diagnostics: optional("diagnostics", at.diagnostics).await?,
        })
    }

    #[expect(clippy::too_many_arguments, reason = "what all routes together are answered from")]
    fn serve(
        self,
        parts: &Arc<Parts>,
        own: &watch::Receiver<Option<Arc<carnet_spiffe::Bundle>>>,
        all: &watch::Receiver<Arc<BundleMap>>,
        admin: &Router,
        health: &Health,
        metrics: &Metrics,
        shutdown: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), Error> {
        let public = public::router(&parts.issuer, own, self.public_tls.is_none(), &parts.context)?;
        let public_tls = self.public_tls.map(|certificate| certificate.serve(shutdown, tasks)).transpose()?;
        tasks.spawn(carnet_net::serve_with(self.public, public, public_tls, public_limits(), shutdown.clone()));
        if let Some(listener) = self.nodes {
            let api = NodeApi {
                entries: Arc::clone(&parts.entries),
                nodes: Arc::clone(&parts.nodes),
                mint: Arc::clone(&parts.mint),
                keys: parts.keys.watch(),
                bundles: all.clone(),
                context: parts.context.clone(),
                shutdown: shutdown.clone(),
            };
            // The calls of agents, and the admin API for workloads that may use it.
            let agents = Router::new().route("/v1/node/{*call}", any_service(node_router(api)));
            let router = carnet_ops::trace_requests(agents.fallback_service(admin.clone()));
            let config =
                TlsServerConfig::new(parts.identity.source(), ClientCertificates::Optional(any_certificate()))?;
            tasks.spawn(carnet_net::serve_with(
                listener,
                router,
                Some(Arc::new(config)),
                public_limits(),
                shutdown.clone(),
            ));
        }
        tasks.spawn(carnet_net::serve_unix(self.admin, admin.clone(), admin_limits(), shutdown.clone()));
        if let Some(listener) = self.bundle {
            let settings = carnet_discovery::BundleSettings::default();
            let router = carnet_discovery::bundle_router(own.clone(), settings, Arc::clone(&parts.context.clock));
            let config = TlsServerConfig::new(parts.identity.source(), ClientCertificates::None)?;
            tasks.spawn(carnet_net::serve_with(
                listener,
                router,
                Some(Arc::new(config)),
                public_limits(),
                shutdown.clone(),
            ));
        }
        if let Some(listener) = self.diagnostics {
            let router = diagnostics(health.clone(), metrics.clone());
            tasks.spawn(carnet_net::serve(listener, router, None, shutdown.clone()));
        }
        Ok(())
    }
}

/// Any user may connect to the admin socket, to be told that it may not use it; none may keep the others out.
fn admin_limits() -> Limits {
    Limits { connections_per_peer: 32, idle: Duration::from_secs(30), ..Limits::default() }
}

/// Nobody at one address may keep the others out of a listener.
fn public_limits() -> Limits {
    Limits { connections: 4096, connections_per_peer: 512, ..Limits::default() }
}

/// Whoever is asked for who calls verifies what was shown, against the bundles of that moment: the handshake only proves
/// that the caller has the key.
fn any_certificate() -> carnet_net::ChainVerifier {
    Arc::new(|_chain| Ok(()))
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
