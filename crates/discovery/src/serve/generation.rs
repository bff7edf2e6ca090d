//! What a reload can change: the source and what is said of it.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::StatusCode,
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use carnet_core::{Context, Error, safe_text};
use carnet_grpc::ENDPOINT_VARIABLE;
use carnet_net::Settings as Network;
use carnet_ops::CounterFamily;
use carnet_spiffe::Bundle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{DiscoveryPlan, Follower, HealthPlan, ListenPlan, Source, SourceHealth, bundle_router, router};

/// A plan and the source that it names.
#[derive(Debug)]
pub(super) struct Generation {
    plan: DiscoveryPlan,
    pub(super) follower: Arc<Follower>,
    /// Ends the follower.
    stop: CancellationToken,
}

impl Generation {
    /// Reads nothing yet but the bundle to begin with.
    pub(super) fn new(plan: &DiscoveryPlan, context: &Context, network: &Network) -> Result<Self, Error> {
        let source = source_of(plan, context)?;
        let follower = Arc::new(Follower::new(source, plan.poll, context.clone(), network)?);
        Ok(Self { plan: plan.clone(), follower, stop: CancellationToken::new() })
    }

    /// Another plan for the source that is read already.
    pub(super) fn with_same_source(&self, plan: &DiscoveryPlan) -> Self {
        Self { plan: plan.clone(), follower: Arc::clone(&self.follower), stop: self.stop.clone() }
    }

    pub(super) fn has_source_of(&self, plan: &DiscoveryPlan) -> bool {
        let of = |plan: &DiscoveryPlan| (plan.source.clone(), plan.bootstrap.clone(), plan.poll);
        of(&self.plan) == of(plan)
    }

    /// Sockets are opened once, before rights are given up; and whoever watches them knows where they are.
    pub(super) fn refuse_other_listeners(&self, plan: &DiscoveryPlan) -> Result<(), Error> {
        let address = |health: &Option<HealthPlan>| health.as_ref().map(|health| health.address);
        let other = [
            ("listen", !is_same_listener(&self.plan.listen, &plan.listen)),
            ("health.address", address(&self.plan.health) != address(&plan.health)),
            ("diagnostics", self.plan.diagnostics != plan.diagnostics),
            ("telemetry", self.plan.telemetry != plan.telemetry),
        ];
        match other.iter().find(|(_, is_other)| *is_other) {
            None => Ok(()),
            Some((field, _)) => Err(Error::configuration(format!("reload the configuration: `{field}` is another"))
                .hint("it counts from the next start; until then nothing of the new configuration does")),
        }
    }

    pub(super) fn start(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let (follower, own, all) = (Arc::clone(&self.follower), self.stop.clone(), stop.clone());
        tasks.spawn(async move { all.run_until_cancelled(follower.run(own)).await });
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the first reading.
    pub(super) async fn wait(&self, patience: Duration) -> Result<(), Error> {
        let mut bundles = self.follower.watch();
        if let Ok(Ok(_)) = tokio::time::timeout(patience, bundles.wait_for(Option::is_some)).await {
            return Ok(());
        }
        let why = self.follower.health().last_error().unwrap_or_else(|| "it does not answer".to_owned());
        Err(Error::unreachable(format!("read the keys from the new source: {why}")))
    }

    pub(super) fn documents_router(&self, context: &Context, requests: &CounterFamily) -> Router {
        let (plan, source) = (&self.plan, || self.follower.watch());
        let mut all = router(source(), plan.settings.clone(), Arc::clone(&context.clock));
        if let Some(bundle) = &plan.bundle {
            all = all.merge(bundle_router(source(), bundle.clone(), Arc::clone(&context.clock)));
        }
        if plan.log_requests {
            all = all.layer(middleware::from_fn(log));
        }
        let requests = requests.clone();
        let counted = move |request: Request, next: Next| count(requests.clone(), request, next);
        carnet_ops::trace_requests(all.layer(middleware::from_fn(counted)))
    }

    pub(super) fn health_router(&self) -> Router {
        self.plan.health.as_ref().map(|plan| health_router(plan, self.follower.health())).unwrap_or_default()
    }
}

fn is_same_listener(one: &ListenPlan, other: &ListenPlan) -> bool {
    match (one, other) {
        (ListenPlan::Tls(address, one), ListenPlan::Tls(other_address, other)) => {
            address == other_address && one.is_like(other)
        }
        (one, other) => one == other,
    }
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

async fn log(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), safe_text(request.uri().path()));
    let answer = next.run(request).await;
    tracing::info!(%method, path, status = answer.status().as_u16(), "a request was answered");
    answer
}

async fn count(requests: CounterFamily, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let answer = next.run(request).await;
    requests.with(&[&route, answer.status().as_str()]).increment();
    answer
}

fn health_router(plan: &HealthPlan, health: Arc<SourceHealth>) -> Router {
    let status = |good: bool| if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let (ready, live) = (Arc::clone(&health), health);
    Router::new()
        .route(&plan.ready_path, get(move || async move { status(ready.is_ready()) }))
        .route(&plan.live_path, get(move || async move { status(live.is_live()) }))
}
