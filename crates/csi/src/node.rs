//! CSI's service Node: what the kubelet asks for a pod.

use std::sync::Arc;

use carnet_core::safe_text;
use carnet_grpc::{
    csi::v1::{
        NodeExpandVolumeRequest, NodeExpandVolumeResponse, NodeGetCapabilitiesRequest, NodeGetCapabilitiesResponse,
        NodeGetInfoRequest, NodeGetInfoResponse, NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse,
        NodePublishVolumeRequest, NodePublishVolumeResponse, NodeStageVolumeRequest, NodeStageVolumeResponse,
        NodeUnpublishVolumeRequest, NodeUnpublishVolumeResponse, NodeUnstageVolumeRequest, NodeUnstageVolumeResponse,
        node_server,
    },
    tonic::{self, Request, Response, Status},
};
use tokio::task::spawn_blocking;

use crate::{
    Settings,
    volume::{target_to_publish, target_to_unpublish},
    volumes::{Published, Volumes},
};

/// The service.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) settings: Arc<Settings>,
    pub(crate) volumes: Arc<Volumes>,
}

impl Node {
    async fn publish(&self, request: &NodePublishVolumeRequest) -> Result<(), Status> {
        let target = target_to_publish(request, &self.settings.kubelet)?;
        let volumes = Arc::clone(&self.volumes);
        let published = in_a_thread(move || volumes.publish(&target)).await?;
        let about = |name: &str| {
            let value = request.volume_context.get(&format!("csi.storage.k8s.io/pod.{name}"));
            value.map(|value| safe_text(value)).unwrap_or_default()
        };
        let pod = format!("{}/{}", about("namespace"), about("name"));
        let target = safe_text(&request.target_path);
        match published {
            Published::Now { shared } => {
                tracing::info!(pod, path = target, "a volume was published");
                if !shared {
                    tracing::warn!(
                        path = target,
                        "only processes in the driver's own mount namespace see the volume: in a container, the kubelet's \
                         folder must be mounted with mountPropagation: Bidirectional"
                    );
                }
            }
            Published::Before => tracing::debug!(pod, path = target, "a volume was published before"),
        }
        Ok(())
    }

    async fn unpublish(&self, request: &NodeUnpublishVolumeRequest) -> Result<(), Status> {
        let target = target_to_unpublish(request, &self.settings.kubelet)?;
        let volumes = Arc::clone(&self.volumes);
        in_a_thread(move || volumes.unpublish(&target)).await?;
        tracing::info!(path = safe_text(&request.target_path), "a volume was unpublished");
        Ok(())
    }
}

#[tonic::async_trait]
impl node_server::Node for Node {
    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Result<Response<NodePublishVolumeResponse>, Status> {
        let outcome = self.publish(request.get_ref()).await;
        outcome.inspect_err(|status| log("publish", status))?;
        Ok(Response::new(NodePublishVolumeResponse {}))
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Result<Response<NodeUnpublishVolumeResponse>, Status> {
        let outcome = self.unpublish(request.get_ref()).await;
        outcome.inspect_err(|status| log("unpublish", status))?;
        Ok(Response::new(NodeUnpublishVolumeResponse {}))
    }

    async fn node_get_capabilities(
        &self,
        _request: Request<NodeGetCapabilitiesRequest>,
    ) -> Result<Response<NodeGetCapabilitiesResponse>, Status> {
        Ok(Response::new(NodeGetCapabilitiesResponse { capabilities: Vec::new() }))
    }

    async fn node_get_info(
        &self,
        _request: Request<NodeGetInfoRequest>,
    ) -> Result<Response<NodeGetInfoResponse>, Status> {
        let node_id = self.settings.node_id.clone();
        Ok(Response::new(NodeGetInfoResponse { node_id, max_volumes_per_node: 0 }))
    }

    async fn node_stage_volume(
        &self,
        _request: Request<NodeStageVolumeRequest>,
    ) -> Result<Response<NodeStageVolumeResponse>, Status> {
        Err(not_offered("NodeStageVolume", "volumes are published at once, without being staged"))
    }

    async fn node_unstage_volume(
        &self,
        _request: Request<NodeUnstageVolumeRequest>,
    ) -> Result<Response<NodeUnstageVolumeResponse>, Status> {
        Err(not_offered("NodeUnstageVolume", "volumes are published at once, without being staged"))
    }

    async fn node_get_volume_stats(
        &self,
        _request: Request<NodeGetVolumeStatsRequest>,
    ) -> Result<Response<NodeGetVolumeStatsResponse>, Status> {
        Err(not_offered("NodeGetVolumeStats", "a volume holds nothing but a socket"))
    }

    async fn node_expand_volume(
        &self,
        _request: Request<NodeExpandVolumeRequest>,
    ) -> Result<Response<NodeExpandVolumeResponse>, Status> {
        Err(not_offered("NodeExpandVolume", "a volume holds nothing but a socket"))
    }
}

/// Calls of the system wait, and the runtime has one thread.
async fn in_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|_failed| {
        Err(Status::internal("the driver has failed while it worked on the volume; its log says why"))
    })
}

fn not_offered(call: &str, why: &str) -> Status {
    Status::unimplemented(format!("{call} is not offered: {why}; NodeGetCapabilities says so"))
}

fn log(what: &str, status: &Status) {
    tracing::warn!(code = ?status.code(), why = status.message(), "could not {what} a volume");
}
