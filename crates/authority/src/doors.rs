//! The listeners of an authority and what each of them serves.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, routing::any_service};
use carnet_core::{Context, Error, chain};
use carnet_discovery::ServedCertificate;
use carnet_entries::{NodeApi, node_router};
use carnet_net::{ClientCertificates, Limits, TlsServerConfig, TrustedProxies, UnixSocket, address_of, listen};
use carnet_ops::{Health, Metrics, diagnostics};
use carnet_spiffe::{Bundle, BundleMap};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{Settings, parts::Parts, public, running::Addresses};

/// The listeners, open.
#[derive(Debug)]
pub(crate) struct Doors {
    public: TcpListener,
    certificate: Option<ServedCertificate>,
    proxies: TrustedProxies,
    nodes: Option<TcpListener>,
    bundle: Option<TcpListener>,
    admin: UnixSocket,
    diagnostics: Option<TcpListener>,
}

/// What all routes together are answered from.
pub(crate) struct Served<'a> {
    pub(crate) parts: &'a Arc<Parts>,
    /// Our own bundle.
    pub(crate) own: watch::Receiver<Option<Arc<Bundle>>>,
    /// All bundles.
    pub(crate) all: watch::Receiver<Arc<BundleMap>>,
    pub(crate) admin: Router,
    pub(crate) health: &'a Health,
    pub(crate) metrics: &'a Metrics,
    pub(crate) reload: &'a watch::Receiver<u64>,
}

impl Doors {
    /// Opens them all but the public one, which is open already.
    pub(crate) fn open(public: TcpListener, settings: &Settings, context: &Context) -> Result<Self, Error> {
        let at = &settings.listen;
        let optional = |what, address: Option<SocketAddr>| address.map(|address| listen(what, address)).transpose();
        let certificate = at.certificate.as_ref().map(|plan| ServedCertificate::open(plan, context)).transpose()?;
        Ok(Self {
            public,
            certificate,
            proxies: at.trusted_proxies.clone(),
            nodes: optional("agents", at.nodes)?,
            bundle: optional("bundles", at.bundle)?,
            // Who may use it is decided by who connects, so that a user who may not is told so.
            admin: UnixSocket::bind_in_folder(&at.admin.socket, 0o666, 0o755)?.counted_by_user(),
            diagnostics: optional("diagnostics", at.diagnostics)?,
        })
    }

    /// Where they are.
    pub(crate) fn addresses(&self) -> Result<Addresses, Error> {
        let of = |listener: &Option<TcpListener>| listener.as_ref().map(address_of).transpose();
        Ok(Addresses {
            public: address_of(&self.public)?,
            nodes: of(&self.nodes)?,
            bundle: of(&self.bundle)?,
            admin: self.admin.path().to_owned(),
            diagnostics: of(&self.diagnostics)?,
        })
    }

    /// Serves at each of them until `shutdown`.
    pub(crate) fn serve(
        self,
        served: &Served<'_>,
        shutdown: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), Error> {
        let Served { parts, own, admin, .. } = served;
        let stop = || shutdown.clone();
        let public = public::router(&parts.issuer, own, self.certificate.is_none(), &parts.context)?;
        let tls = match &self.certificate {
            None => None,
            Some(certificate) => Some(certificate.tls(ClientCertificates::Optional(any_certificate()))?),
        };
        tasks.spawn(carnet_net::serve_behind(self.proxies, self.public, public, tls, public_limits(), stop()));
        if let Some(certificate) = self.certificate {
            tasks.spawn(reload(certificate.clone(), served.reload.clone(), stop()));
            tasks.spawn(certificate.run(stop()));
        }
        // At the others the authority shows its own SVID.
        let svid =
            |clients| TlsServerConfig::new(parts.identity.source(), clients).map(|config| Some(Arc::new(config)));
        if let Some(listener) = self.nodes {
            let tls = svid(ClientCertificates::Optional(any_certificate()))?;
            tasks.spawn(carnet_net::serve_with(listener, served.nodes(shutdown), tls, public_limits(), stop()));
        }
        if let Some(listener) = self.bundle {
            let settings = carnet_discovery::BundleSettings::default();
            let router = carnet_discovery::bundle_router(own.clone(), settings, Arc::clone(&parts.context.clock));
            let tls = svid(ClientCertificates::None)?;
            tasks.spawn(carnet_net::serve_with(listener, router, tls, public_limits(), stop()));
        }
        tasks.spawn(carnet_net::serve_unix(self.admin, admin.clone(), admin_limits(), stop()));
        if let Some(listener) = self.diagnostics {
            let router = diagnostics(served.health.clone(), served.metrics.clone());
            tasks.spawn(carnet_net::serve(listener, router, None, stop()));
        }
        Ok(())
    }
}

impl Served<'_> {
    /// The calls of agents, and the admin API for workloads that may use it.
    fn nodes(&self, shutdown: &CancellationToken) -> Router {
        let parts = self.parts;
        let api = NodeApi {
            entries: Arc::clone(&parts.entries),
            nodes: Arc::clone(&parts.nodes),
            mint: Arc::clone(&parts.mint),
            keys: parts.keys.watch(),
            bundles: self.all.clone(),
            context: parts.context.clone(),
            shutdown: shutdown.clone(),
        };
        let agents = Router::new().route("/v1/node/{*call}", any_service(node_router(api)));
        carnet_ops::trace_requests(agents.fallback_service(self.admin.clone()))
    }
}

/// Looks at the files of the certificate when a reload is asked for, and not only when it is time.
async fn reload(certificate: ServedCertificate, mut asked: watch::Receiver<u64>, stop: CancellationToken) {
    while let Some(Ok(())) = stop.run_until_cancelled(asked.changed()).await {
        if let Err(error) = certificate.reload() {
            let error = chain(&error).join(": ");
            tracing::error!(error, "the TLS certificate is not taken; the last good one stays");
        }
    }
}

/// Any user may connect to the admin socket, to be told that it may not use it; none may keep the others out.
fn admin_limits() -> Limits {
    Limits { connections_per_peer: 32, idle: std::time::Duration::from_secs(30), ..Limits::default() }
}

/// Nobody at one address may keep the others out of a listener, but for trusted proxies: theirs are many clients' connections and
/// are not counted by address, so that a proxy must bound its own clients.
fn public_limits() -> Limits {
    Limits { connections: 4096, connections_per_peer: 512, ..Limits::default() }
}

/// Whoever is asked for who calls verifies what was shown, against the bundles of that moment: the handshake only proves
/// that the caller has the key.
fn any_certificate() -> carnet_net::ChainVerifier {
    Arc::new(|_chain| Ok(()))
}
