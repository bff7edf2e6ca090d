//! What is served on the socket.

mod claims;
mod feed;
mod health;
mod places;
mod sds;
mod secrets;
mod workload;

use std::{collections::BTreeSet, sync::Arc};

use axum::Router;
use carnet_core::{Result, chain};
use carnet_grpc::{
    envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryServiceServer,
    grpc::health::v1::health_server::HealthServer,
    spiffe_workload::spiffe_workload_api_server::{SERVICE_NAME, SpiffeWorkloadApiServer},
    tonic::{Extensions, Status, service::Routes},
    with_reflection,
};
use carnet_net::Peer;
use carnet_spiffe::Selector;
use tokio::time::timeout;

use crate::{
    core::Core,
    hub::{Phase, Snapshot},
};

use places::Place;
pub(crate) use places::Places;

/// Largest request. The largest is a JWT-SVID to validate.
const MAX_REQUEST: usize = 128 << 10;

/// Everything on one socket: the Workload API with its header check, and without one Envoy's secret discovery, health and
/// reflection.
pub(crate) fn router(core: &Arc<Core>) -> Result<Router> {
    let workload = SpiffeWorkloadApiServer::new(workload::Workload(Arc::clone(core)));
    let secrets = SecretDiscoveryServiceServer::new(sds::Sds(Arc::clone(core)));
    let health = HealthServer::new(health::Health(Arc::clone(core)));
    let routes = Routes::new(workload.max_decoding_message_size(MAX_REQUEST))
        .add_service(secrets.max_decoding_message_size(MAX_REQUEST))
        .add_service(health.max_decoding_message_size(MAX_REQUEST));
    let services = [SERVICE_NAME, health::SDS, health::HEALTH];
    Ok(with_reflection(routes, &services)?.prepare().into_axum_router())
}

impl Core {
    /// The selectors of whoever is calling, once the agent has something to serve.
    ///
    /// # Errors
    /// `Unavailable`, whatever the reason: the caller cannot do anything about it but come again.
    async fn caller(&self, extensions: &Extensions) -> Result<Arc<BTreeSet<Selector>>, Status> {
        let peer = extensions.get::<Peer>().ok_or_else(|| not_attested("there is no peer"))?;
        let selectors = match self.attestation.attest(peer).await {
            Ok(selectors) => selectors,
            Err(error) => return Err(not_attested(&chain(error.as_ref()).join(": "))),
        };
        if self.started().await?.phase == Phase::Banned {
            return Err(no_identity());
        }
        tracing::debug!(workload.peer = %peer, selectors = ?selectors, "a workload was attested");
        Ok(selectors)
    }

    /// Waits a little for the first state from the authority.
    async fn started(&self) -> Result<Arc<Snapshot>, Status> {
        let mut snapshots = self.hub.watch();
        let started = snapshots.wait_for(|snapshot| snapshot.phase != Phase::Starting);
        match timeout(self.settings.patience, started).await {
            Ok(Ok(snapshot)) => Ok(Arc::clone(&snapshot)),
            Ok(Err(_)) | Err(_) => Err(not_attested("the agent has nothing from the authority yet")),
        }
    }
}

/// A place for one more stream; it is given back when the stream ends.
fn place(core: &Core, caller: &Extensions) -> Result<Place, Status> {
    let peer = caller.get::<Peer>().ok_or_else(|| not_attested("there is no peer"))?;
    let place = core.streams.take(peer);
    place.ok_or_else(|| Status::resource_exhausted("too many streams are open"))
}

/// The caller is known, and there is nothing for it. Clients look for this very text.
fn no_identity() -> Status {
    Status::permission_denied("no identity issued")
}

/// Why stays in the log: it may be about other processes.
fn not_attested(why: &str) -> Status {
    tracing::warn!(why, "a workload could not be attested");
    Status::unavailable("workload attestation failed")
}

fn shutting_down() -> Status {
    Status::unavailable("the agent is shutting down")
}
