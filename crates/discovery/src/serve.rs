//! `carnet discovery`: source, documents and listeners together.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use carnet_core::{Context, Error, safe_text};
use carnet_grpc::ENDPOINT_VARIABLE;
use carnet_net::{
    CertificateFiles, CertificateSource, ClientCertificates, Limits, Settings as Network, TlsServerConfig, UnixSocket,
};
use carnet_spiffe::Bundle;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{DiscoveryPlan, Follower, HealthPlan, ListenPlan, Source, SourceHealth, acme::Acme, bundle_router, router};

/// A service that listens already and serves nobody yet.
#[derive(Debug)]
pub struct Discovery {
    follower: Follower,
    router: Router,
    door: Door,
    health: Option<(TcpListener, Router)>,
}

#[derive(Debug)]
enum Door {
    Plain(TcpListener),
    Tls(TcpListener, Arc<TlsServerConfig>, Renewal),
    Unix(UnixSocket),
}

/// What keeps a certificate fresh.
#[derive(Debug)]
enum Renewal {
    Files(CertificateFiles, std::time::Duration),
    Acme(Arc<Acme>, TcpListener),
}

/// Serves until `shutdown`, then lets running requests end.
///
/// # Errors
/// See [`Discovery::bind`].
pub async fn serve(
    plan: &DiscoveryPlan,
    context: &Context,
    network: &Network,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    Discovery::bind(plan, context, network).await?.run(shutdown).await;
    Ok(())
}

impl Discovery {
    /// Reads the certificate and opens all listeners.
    ///
    /// # Errors
    /// When an address is taken or not ours, a certificate or the bundle to begin with cannot be read, or nothing says where the
    /// Workload API is.
    pub async fn bind(plan: &DiscoveryPlan, context: &Context, network: &Network) -> Result<Self, Error> {
        let source = source_of(plan, context)?;
        let follower = Follower::new(source, plan.poll, context.clone(), network)?;
        let door = Door::open(&plan.listen, context).await?;
        let health = match &plan.health {
            Some(health) => Some((listen(health.address).await?, health_router(health, follower.health()))),
            None => None,
        };
        Ok(Self { router: documents_router(plan, &follower, context), follower, door, health })
    }

    /// Where the documents are served; `None` on a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.door {
            Door::Plain(listener) | Door::Tls(listener, ..) => listener.local_addr().ok(),
            Door::Unix(_) => None,
        }
    }

    /// Where health is asked.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Whether the source can be read.
    pub fn health(&self) -> Arc<SourceHealth> {
        self.follower.health()
    }

    /// Serves until `shutdown`, then lets running requests end.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { follower, router, door, health } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn(follower.run(shutdown.clone()));
        if let Some((listener, router)) = health {
            tasks.spawn(carnet_net::serve(listener, router, None, shutdown.clone()));
        }
        match door {
            Door::Plain(listener) => {
                tasks.spawn(carnet_net::serve(listener, router, None, shutdown.clone()));
            }
            Door::Unix(socket) => {
                tasks.spawn(carnet_net::serve_unix(socket, router, Limits::default(), shutdown.clone()));
            }
            Door::Tls(listener, tls, renewal) => {
                tasks.spawn(carnet_net::serve(listener, router, Some(tls), shutdown.clone()));
                match renewal {
                    Renewal::Files(files, every) => {
                        let shutdown = shutdown.clone();
                        tasks.spawn(async move { files.watch(every, shutdown).await });
                    }
                    Renewal::Acme(acme, challenges) => {
                        let router = acme.challenge_router();
                        tasks.spawn(carnet_net::serve(challenges, router, None, shutdown.clone()));
                        tasks.spawn(acme.run(shutdown.clone()));
                    }
                }
            }
        }
        while tasks.join_next().await.is_some() {}
    }
}

impl Door {
    async fn open(plan: &ListenPlan, context: &Context) -> Result<Self, Error> {
        match plan {
            ListenPlan::Plain(address) => Ok(Self::Plain(listen(*address).await?)),
            ListenPlan::Socket(path, mode) => Ok(Self::Unix(UnixSocket::bind(path, *mode)?)),
            ListenPlan::Tls(plan) => {
                let (chain, key) = (plan.certificate.clone(), plan.private_key.clone());
                let files = CertificateFiles::open(Arc::clone(&context.files), chain, key)?;
                let tls = tls(files.source())?;
                Ok(Self::Tls(listen(plan.address).await?, tls, Renewal::Files(files, plan.reload)))
            }
            ListenPlan::Acme(plan) => {
                let acme = Acme::new(plan.settings.clone(), context.clone())?;
                let tls = tls(acme.source())?;
                let challenges = listen(plan.challenge_address).await?;
                Ok(Self::Tls(listen(plan.address).await?, tls, Renewal::Acme(acme, challenges)))
            }
        }
    }
}

fn tls(source: CertificateSource) -> Result<Arc<TlsServerConfig>, Error> {
    TlsServerConfig::new(source, ClientCertificates::None).map(Arc::new)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let everywhere = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let bound = match TcpListener::bind(address).await {
        // A machine without IPv6 has all its addresses in IPv4.
        Err(error) if everywhere && matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::AddrNotAvailable) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    };
    bound.map_err(|error| {
        let failed = Error::configuration(format!("listen on {address}"));
        match error.kind() {
            ErrorKind::PermissionDenied => {
                failed.because(error).hint("ports below 1024 need CAP_NET_BIND_SERVICE; or choose another port")
            }
            ErrorKind::AddrInUse => failed.because(error).hint("another process listens there"),
            _ => failed.because(error),
        }
    })
}

/// The source with what only the environment and the file system know.
///
/// # Errors
/// When nothing says where the Workload API is, or the bundle to begin with cannot be read.
pub fn source_of(plan: &DiscoveryPlan, context: &Context) -> Result<Source, Error> {
    match plan.source.clone() {
        Source::WorkloadApi { endpoint, trust_domain } if endpoint.is_empty() => {
            let endpoint = context.env(ENDPOINT_VARIABLE).ok_or_else(|| {
                Error::configuration("find the Workload API")
                    .hint(format!("set `address` in [discovery.source.workload-api], or {ENDPOINT_VARIABLE}"))
            })?;
            Ok(Source::WorkloadApi { endpoint, trust_domain })
        }
        Source::Url { url, trust_domain, profile, bootstrap } => {
            let bootstrap = match &plan.bootstrap {
                None => bootstrap,
                Some(path) => {
                    let failed = || Error::configuration(format!("read the bundle in {}", path.display()));
                    let found = context.files.read(path, Bundle::MAX_LENGTH)?;
                    let found = found.ok_or_else(|| failed().hint("the file does not exist"))?;
                    let bundle =
                        Bundle::parse(&trust_domain, found.expose()).map_err(|error| failed().because(error))?;
                    Some(bundle.shared())
                }
            };
            Ok(Source::Url { url, trust_domain, profile, bootstrap })
        }
        other => Ok(other),
    }
}

fn documents_router(plan: &DiscoveryPlan, follower: &Follower, context: &Context) -> Router {
    let mut all = router(follower.watch(), plan.settings.clone(), Arc::clone(&context.clock));
    if let Some(bundle) = &plan.bundle {
        all = all.merge(bundle_router(follower.watch(), bundle.clone(), Arc::clone(&context.clock)));
    }
    if plan.log_requests { all.layer(middleware::from_fn(log)) } else { all }
}

async fn log(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), safe_text(request.uri().path()));
    let answer = next.run(request).await;
    tracing::info!(%method, path, status = answer.status().as_u16(), "a request was answered");
    answer
}

fn health_router(plan: &HealthPlan, health: Arc<SourceHealth>) -> Router {
    let status = |good: bool| if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let (ready, live) = (Arc::clone(&health), health);
    Router::new()
        .route(&plan.ready_path, get(move || async move { status(ready.is_ready()) }))
        .route(&plan.live_path, get(move || async move { status(live.is_live()) }))
}
