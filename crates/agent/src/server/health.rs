//! gRPC's own health check, on the workloads' socket.

use std::{pin::Pin, sync::Arc};

use carnet_grpc::{
    envoy::service::secret::v3::secret_discovery_service_server,
    grpc::health::v1::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
        health_check_response::ServingStatus, health_server,
    },
    spiffe_workload::spiffe_workload_api_server,
    tonic::{self, Request, Response, Status},
};
use futures_util::Stream;

use super::feed::{Next, Subject, feed};
use crate::{
    core::Core,
    hub::{Phase, Snapshot, Wish},
};

/// Full names of the services.
pub(super) const HEALTH: &str = health_server::SERVICE_NAME;
pub(super) const SDS: &str = secret_discovery_service_server::SERVICE_NAME;

/// Serving from the first state of the authority on; also while the authority is away.
pub(super) struct Health(pub(super) Arc<Core>);

#[tonic::async_trait]
impl health_server::Health for Health {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        if !is_known(&request.get_ref().service) {
            return Err(Status::not_found("there is no such service"));
        }
        Ok(Response::new(answer(&self.0.hub.now())))
    }

    async fn list(&self, _request: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let answer = answer(&self.0.hub.now());
        let statuses = SERVICES.into_iter().map(|service| (service.to_owned(), answer));
        Ok(Response::new(HealthListResponse { statuses: statuses.collect() }))
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let known = is_known(&request.get_ref().service);
        Ok(Response::new(Box::pin(feed(&self.0, request.extensions(), Serving { known })?)))
    }
}

/// The empty name stands for the whole server.
const SERVICES: [&str; 4] = ["", spiffe_workload_api_server::SERVICE_NAME, SDS, HEALTH];

fn is_known(service: &str) -> bool {
    SERVICES.contains(&service)
}

fn answer(snapshot: &Snapshot) -> HealthCheckResponse {
    let status = if snapshot.phase == Phase::Serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    HealthCheckResponse { status: status.into() }
}

struct Serving {
    known: bool,
}

impl Subject for Serving {
    type Message = HealthCheckResponse;

    fn next(&mut self, _: &Core, snapshot: &Snapshot, _: &mut Wish) -> Result<Next<HealthCheckResponse>, Status> {
        // A service that is not known yet may come (gRPC health checking protocol).
        let unknown = HealthCheckResponse { status: ServingStatus::ServiceUnknown.into() };
        Ok(Next::Message { message: if self.known { answer(snapshot) } else { unknown }, whole: true })
    }
}
