//! CSI's service Identity: who the driver is, and whether it is ready.

use std::{sync::Arc, time::Duration};

use carnet_core::chain;
use carnet_grpc::{
    Endpoint,
    csi::v1::{
        GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse, GetPluginInfoRequest, GetPluginInfoResponse,
        ProbeRequest, ProbeResponse, identity_server,
    },
    is_serving,
    tonic::{self, Request, Response, Status},
};

use crate::Settings;

/// How long the agent may take to answer a probe.
const PATIENCE: Duration = Duration::from_secs(2);

/// The service.
#[derive(Debug)]
pub(crate) struct Identity(pub(crate) Arc<Settings>);

#[tonic::async_trait]
impl identity_server::Identity for Identity {
    async fn get_plugin_info(
        &self,
        _request: Request<GetPluginInfoRequest>,
    ) -> Result<Response<GetPluginInfoResponse>, Status> {
        Ok(Response::new(GetPluginInfoResponse {
            name: self.0.driver_name.clone(),
            vendor_version: env!("CARGO_PKG_VERSION").to_owned(),
            manifest: std::collections::BTreeMap::new(),
        }))
    }

    async fn get_plugin_capabilities(
        &self,
        _request: Request<GetPluginCapabilitiesRequest>,
    ) -> Result<Response<GetPluginCapabilitiesResponse>, Status> {
        Ok(Response::new(GetPluginCapabilitiesResponse { capabilities: Vec::new() }))
    }

    /// Ready while the agent answers and has something to serve. The driver itself is well all the time, so it never answers
    /// with an error, on which it would be restarted (CSI, Probe).
    async fn probe(&self, _request: Request<ProbeRequest>) -> Result<Response<ProbeResponse>, Status> {
        let agent = Endpoint::Unix(self.0.workload_socket.to_string_lossy().into_owned());
        let ready = is_serving(&agent, PATIENCE).await.unwrap_or_else(|error| {
            tracing::debug!(error = chain(&error).join(": "), "the agent does not answer");
            false
        });
        Ok(Response::new(ProbeResponse { ready: Some(ready) }))
    }
}
