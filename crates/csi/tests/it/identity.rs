//! Who the driver says that it is, and when it says that it is ready.

use std::{path::Path, sync::Arc};

use carnet_grpc::{
    csi::v1::{
        GetPluginCapabilitiesRequest, GetPluginInfoRequest, NodeGetCapabilitiesRequest, NodeGetInfoRequest,
        ProbeRequest,
    },
    grpc::health::v1::{
        HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
        health_check_response::ServingStatus,
        health_server::{Health, HealthServer},
    },
    tonic::{
        self, Code, Request, Response, Status,
        client::Grpc,
        codegen::{http::uri::PathAndQuery, tokio_stream},
        service::Routes,
    },
};
use carnet_net::{Limits, UnixSocket, serve_unix};
use tokio_util::sync::CancellationToken;

use crate::support::{Stage, stage};

#[tokio::test]
async fn the_driver_says_its_name_and_version() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    let info = stage.identity().get_plugin_info(GetPluginInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.name.as_str(), info.vendor_version.as_str()), ("csi.spiffe.io", env!("CARGO_PKG_VERSION")));
    assert!(info.manifest.is_empty());
}

#[tokio::test]
async fn the_driver_names_the_node_and_no_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    let info = stage.node().node_get_info(NodeGetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.node_id.as_str(), info.max_volumes_per_node), ("node-1", 0));
}

#[tokio::test]
async fn the_driver_has_no_capabilities_besides() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    let plugin = stage.identity().get_plugin_capabilities(GetPluginCapabilitiesRequest {}).await.unwrap();
    assert!(plugin.into_inner().capabilities.is_empty());
    let node = stage.node().node_get_capabilities(NodeGetCapabilitiesRequest {}).await.unwrap();
    assert!(node.into_inner().capabilities.is_empty());
}

#[tokio::test]
async fn a_call_of_another_service_is_told_which_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    let mut client = Grpc::new(stage.channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/csi.v1.Controller/CreateVolume");
    let codec = tonic_codec();
    let asked = client.unary::<ProbeRequest, ProbeRequest, _>(Request::new(ProbeRequest {}), path, codec).await;
    let status = asked.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status:?}");
    assert!(status.message().contains("csi.v1.Identity and csi.v1.Node"), "{status:?}");
}

fn tonic_codec() -> Raw {
    Raw
}

/// A codec for messages without fields.
struct Raw;

impl tonic::codec::Codec for Raw {
    type Encode = ProbeRequest;
    type Decode = ProbeRequest;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for Raw {
    type Item = ProbeRequest;
    type Error = Status;

    fn encode(&mut self, _item: ProbeRequest, _into: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), Status> {
        Ok(())
    }
}

impl tonic::codec::Decoder for Raw {
    type Item = ProbeRequest;
    type Error = Status;

    fn decode(&mut self, _from: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<ProbeRequest>, Status> {
        Ok(Some(ProbeRequest {}))
    }
}

/// An agent that says of itself what a test wants.
struct Agent(ServingStatus);

#[tonic::async_trait]
impl Health for Agent {
    type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn check(&self, _request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse { status: self.0.into() }))
    }

    async fn list(&self, _request: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        Err(Status::unimplemented("no list"))
    }

    async fn watch(&self, _request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("no watch"))
    }
}

/// Serves at the path, until it is asked to end, which it then does with all its connections.
fn serve(path: &Path, routes: Routes) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    let (socket, stop) = (UnixSocket::bind(path, 0o777).unwrap(), CancellationToken::new());
    let served = serve_unix(socket, routes.into_axum_router(), Limits::default(), stop.clone());
    (stop, tokio::spawn(served))
}

async fn is_ready(stage: &Stage) -> bool {
    let answer = stage.identity().probe(ProbeRequest {}).await.unwrap().into_inner();
    answer.ready.expect("readiness is said")
}

#[tokio::test]
async fn the_driver_is_ready_only_while_the_agent_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    assert!(!is_ready(&stage).await, "there is no socket");
    let routes = Routes::new(HealthServer::from_arc(Arc::new(Agent(ServingStatus::Serving))));
    let (stop, served) = serve(&stage.agent().join("api.sock"), routes);
    assert!(is_ready(&stage).await, "the agent serves");
    stop.cancel();
    served.await.unwrap();
    assert!(!is_ready(&stage).await, "the agent has ended");
}

#[tokio::test]
async fn the_driver_is_not_ready_while_the_agent_has_nothing_to_serve() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    let routes = Routes::new(HealthServer::from_arc(Arc::new(Agent(ServingStatus::NotServing))));
    let (_stop, _served) = serve(&stage.agent().join("api.sock"), routes);
    assert!(!is_ready(&stage).await);
}

#[tokio::test]
async fn an_agent_of_somebody_else_without_a_health_check_counts_when_it_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (stage, _mounts) = stage(folder.path()).await;
    let (_stop, _served) = serve(&stage.agent().join("api.sock"), Routes::default());
    assert!(is_ready(&stage).await);
}
