use std::{
    os::unix::net::UnixListener,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use carnet_core::ErrorKind;
use carnet_grpc::{
    Endpoint,
    grpc::health::v1::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
        health_check_response::ServingStatus,
        health_server::{Health, HealthServer},
    },
    is_serving,
    tonic::{self, Request, Response, Status, service::Routes},
};
use futures_util::Stream;

use crate::support::{Desk, Running, routes};

/// Long: only one test waits it out, and that has its own.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers what a test wants, and only of the whole server.
struct Says(Mutex<Result<ServingStatus, Status>>);

#[tonic::async_trait]
impl Health for Says {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        assert_eq!(request.get_ref().service, "");
        let status = self.0.lock().unwrap().clone()?;
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    async fn list(&self, _request: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("no list"))
    }

    async fn watch(&self, _request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("no watch"))
    }
}

fn saying(answer: Result<ServingStatus, Status>) -> Running {
    Running::start(Routes::new(HealthServer::from_arc(Arc::new(Says(Mutex::new(answer))))))
}

fn endpoint(server: &Running) -> Endpoint {
    server.address().parse().unwrap()
}

#[tokio::test]
async fn a_server_serves_when_it_says_so() {
    for (status, serves) in
        [(ServingStatus::Serving, true), (ServingStatus::NotServing, false), (ServingStatus::Unknown, false)]
    {
        let server = saying(Ok(status));
        assert_eq!(is_serving(&endpoint(&server), PATIENCE).await.unwrap(), serves, "{status:?}");
    }
}

#[tokio::test]
async fn a_server_without_a_health_check_serves_when_it_answers() {
    let server = Running::start(routes(Desk::default()).1);
    assert!(is_serving(&endpoint(&server), PATIENCE).await.unwrap());
}

#[tokio::test]
async fn a_server_that_does_not_say_is_an_error() {
    let server = saying(Err(Status::permission_denied("not you")));
    let error = is_serving(&endpoint(&server), PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
}

#[tokio::test]
async fn a_socket_where_nobody_listens_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint: Endpoint = format!("unix://{}/no.sock", folder.path().display()).parse().unwrap();
    let error = is_serving(&endpoint, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("silent.sock");
    let _listening = UnixListener::bind(&path).unwrap();
    let endpoint: Endpoint = format!("unix://{}", path.display()).parse().unwrap();
    let error = is_serving(&endpoint, Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
}
