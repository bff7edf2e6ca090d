//! `carnet discovery`: source, documents and listeners together.

mod generation;
mod told;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::Router;
use carnet_core::{Context, Error};
use carnet_net::{ClientCertificates, Limits, Settings as Network, TlsServerConfig, UnixSocket, listen};
use carnet_ops::{CounterFamily, Metrics};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{DiscoveryPlan, ListenPlan, ServedCertificate, SourceHealth, certificate::router_of_the_moment};
use generation::Generation;

pub use generation::source_of;

/// How long another source may take to be read for the first time, before a reload is given up.
const FIRST_READING: Duration = Duration::from_secs(10);

/// A service that listens already and serves nobody yet.
#[derive(Debug)]
pub struct Discovery {
    shared: Arc<Shared>,
    door: Door,
    health: Option<TcpListener>,
    diagnostics: Option<TcpListener>,
}

#[derive(Debug)]
enum Door {
    Plain(TcpListener),
    Tls(TcpListener, Arc<TlsServerConfig>),
    Unix(UnixSocket),
}

/// What listeners and reloads have in common.
#[derive(Debug)]
struct Shared {
    context: Context,
    network: Network,
    /// What is served now.
    generation: Mutex<Generation>,
    documents: watch::Sender<Router>,
    health: watch::Sender<Router>,
    certificate: Option<ServedCertificate>,
    metrics: Metrics,
    requests: CounterFamily,
    reloads: CounterFamily,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Has a running service go by another plan.
#[derive(Clone, Debug)]
pub struct Reloader(Arc<Shared>);

impl Discovery {
    /// Reads the certificate and opens all listeners.
    ///
    /// # Errors
    /// When an address is taken or not ours, a certificate or the bundle to begin with cannot be read, or nothing says where the
    /// Workload API is.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn bind(plan: &DiscoveryPlan, context: &Context, network: &Network) -> Result<Self, Error> {
        let generation = Generation::new(plan, context, network)?;
        let (door, certificate) = Door::open(&plan.listen, context)?;
        let health = plan.health.as_ref().map(|health| listen("questions about health", health.address)).transpose()?;
        let diagnostics = plan.diagnostics.map(|address| listen("diagnostics", address)).transpose()?;
        let metrics = Metrics::new("carnet_discovery");
        let requests = metrics.counter("requests", "Requests by route and status.", &["route", "status"]);
        let reloads = metrics.counter("reloads", "Reloads of the configuration by outcome.", &["outcome"]);
        let shared = Arc::new(Shared {
            documents: watch::Sender::new(generation.documents_router(context, &requests)),
            health: watch::Sender::new(generation.health_router()),
            generation: Mutex::new(generation),
            context: context.clone(),
            network: network.clone(),
            certificate,
            metrics,
            requests,
            reloads,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        Ok(Self { shared, door, health, diagnostics })
    }

    /// Where the documents are served; `None` on a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.door {
            Door::Plain(listener) | Door::Tls(listener, _) => listener.local_addr().ok(),
            Door::Unix(_) => None,
        }
    }

    /// Where health is asked.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Where probes and Prometheus ask.
    pub fn diagnostics_address(&self) -> Option<SocketAddr> {
        self.diagnostics.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Whether the source can be read.
    pub fn health(&self) -> Arc<SourceHealth> {
        self.shared.generation().follower.health()
    }

    /// What has it go by another plan while it runs.
    pub fn reloader(&self) -> Reloader {
        Reloader(Arc::clone(&self.shared))
    }

    /// Serves until `shutdown`, then lets running requests end.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { shared, door, health, diagnostics } = self;
        let (tasks, stop) = (&shared.tasks, &shared.stop);
        shared.generation().start(tasks, stop);
        if let Some(listener) = health {
            let router = router_of_the_moment(shared.health.subscribe());
            tasks.spawn(carnet_net::serve(listener, router, None, stop.clone()));
        }
        if let Some(listener) = diagnostics {
            tasks.spawn(carnet_net::serve(listener, told::router(&shared), None, stop.clone()));
        }
        if let Some(certificate) = &shared.certificate {
            tasks.spawn(certificate.clone().run(stop.clone()));
        }
        let router = router_of_the_moment(shared.documents.subscribe());
        match door {
            Door::Plain(listener) => tasks.spawn(carnet_net::serve(listener, router, None, stop.clone())),
            Door::Unix(socket) => tasks.spawn(carnet_net::serve_unix(socket, router, Limits::default(), stop.clone())),
            Door::Tls(listener, tls) => tasks.spawn(carnet_net::serve(listener, router, Some(tls), stop.clone())),
        };
        shutdown.cancelled().await;
        stop.cancel();
        tasks.close();
        tasks.wait().await;
    }
}

impl Reloader {
    /// Goes by this plan from now on, or by nothing of it: what the documents say, the source, the certificate. The source is
    /// read at once, and another source must be readable before it takes the place of the one that is there.
    ///
    /// # Errors
    /// When a listener is another one, or where traces go, which count from the next start; when the certificate or the new source
    /// cannot be read. All goes on as before.
    pub async fn reload(&self, plan: &DiscoveryPlan) -> Result<(), Error> {
        let outcome = self.0.reload(plan).await;
        if outcome.is_ok() {
            self.0.reloads.with(&["taken"]).increment();
        } else {
            self.refused();
        }
        outcome
    }

    /// Counts a reload that has come to nothing, as [`Reloader::reload`] does by itself: for whoever could not make a plan of what
    /// stands in the configuration.
    pub fn refused(&self) {
        self.0.reloads.with(&["refused"]).increment();
    }
}

impl Shared {
    async fn reload(&self, plan: &DiscoveryPlan) -> Result<(), Error> {
        let same_source = {
            let now = self.generation();
            now.refuse_other_listeners(plan)?;
            now.has_source_of(plan)
        };
        let change = match (&self.certificate, &plan.listen) {
            (Some(certificate), ListenPlan::Tls(_, plan)) => Some(certificate.prepare(plan)?),
            _ => None,
        };
        let next = if same_source {
            let now = self.generation();
            now.follower.look();
            now.with_same_source(plan)
        } else {
            let next = Generation::new(plan, &self.context, &self.network)?;
            next.start(&self.tasks, &self.stop);
            next.wait(FIRST_READING).await.inspect_err(|_| next.stop())?;
            next
        };
        if let (Some(certificate), Some(change)) = (&self.certificate, change) {
            certificate.take(change);
        }
        drop(self.documents.send_replace(next.documents_router(&self.context, &self.requests)));
        drop(self.health.send_replace(next.health_router()));
        let before = std::mem::replace(&mut *self.generation(), next);
        if !same_source {
            before.stop();
        }
        Ok(())
    }

    fn generation(&self) -> MutexGuard<'_, Generation> {
        self.generation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    fn open(plan: &ListenPlan, context: &Context) -> Result<(Self, Option<ServedCertificate>), Error> {
        const WHO: &str = "relying parties";
        match plan {
            ListenPlan::Plain(address) => Ok((Self::Plain(listen(WHO, *address)?), None)),
            ListenPlan::Socket(path, mode) => Ok((Self::Unix(UnixSocket::bind(path, *mode)?), None)),
            ListenPlan::Tls(address, plan) => {
                let certificate = ServedCertificate::open(plan, context)?;
                let tls = certificate.tls(ClientCertificates::None)?;
                Ok((Self::Tls(listen(WHO, *address)?, tls), Some(certificate)))
            }
        }
    }
}
