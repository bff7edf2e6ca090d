//! The driver as a whole.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_core::{Error, Result};
use carnet_grpc::{
    csi::v1::{identity_server::IdentityServer, node_server::NodeServer},
    tonic::{Status, body::Body, service::Routes},
};
use carnet_net::{Limits, UnixSocket, serve_unix};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Mounts, Settings, identity::Identity, node::Node, volumes::Volumes};

/// Who may connect to the kubelet's socket: root, who both the kubelet and the registrar run as.
const SOCKET_MODE: u32 = 0o600;
/// Most connections: the kubelet opens one for each call, the registrar and a probe one each.
const CONNECTIONS: usize = 256;
/// Largest request, in bytes. The largest part of one is its map of attributes, of at most 4 KiB (CSI, Size Limits).
const MAX_REQUEST: usize = 128 << 10;

/// A running driver. What it has published stays when it ends: pods go on. Dropping it stops it at once; [`Self::shutdown`] does
/// so in order.
#[derive(Debug)]
pub struct Driver {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Driver {
    /// Binds the socket and serves. The agent may be away, and its folder be missing still.
    ///
    /// # Errors
    /// `Configuration` when a setting is wrong, the kubelet's folder is missing, this process may not mount, or the socket cannot
    /// be bound.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(settings: Settings, mounts: Arc<dyn Mounts>) -> Result<Self> {
        settings.check()?;
        may_mount(&settings.kubelet, mounts.as_ref())?;
        look_around(&settings.workload_socket, settings.folder());
        let socket = UnixSocket::bind(&settings.endpoint, SOCKET_MODE)?;
        let settings = Arc::new(settings);
        let volumes = Arc::new(Volumes::new(settings.folder().to_owned(), mounts));
        let identity = IdentityServer::new(Identity(Arc::clone(&settings))).max_decoding_message_size(MAX_REQUEST);
        let node = NodeServer::new(Node { settings, volumes }).max_decoding_message_size(MAX_REQUEST);
        let services = Routes::new(identity).add_service(node).prepare().into_axum_router();
        let router = services.fallback(async || unknown().into_http::<Body>());
        let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(serve_unix(socket, router, limits, stop.clone()));
        tasks.close();
        Ok(Self { tasks, stop })
    }

    /// Removes the socket and waits for what is running.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Tries it on the kubelet's folder, so that a driver that cannot do its work does not start.
fn may_mount(kubelet: &Path, mounts: &dyn Mounts) -> Result<()> {
    let failed = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                "mount the kubelet's folder into the driver's container at the same path, or name another with --kubelet-dir"
            }
            io::ErrorKind::PermissionDenied => {
                "the driver needs CAP_SYS_ADMIN: run it as root, in a container with securityContext.privileged: true"
            }
            _ => "the driver needs Linux 5.2, CAP_SYS_ADMIN and /proc",
        };
        Error::configuration(format!("mount below the kubelet's folder {}", kubelet.display()))
            .because(error)
            .hint(hint)
    };
    match fs::metadata(kubelet) {
        Ok(found) if found.is_dir() => mounts.rehearse(kubelet).map_err(failed),
        Ok(_) => Err(failed(io::ErrorKind::NotADirectory.into())),
        Err(error) => Err(failed(error)),
    }
}

/// Warns of what pods will find besides the agent's socket: whatever is in its folder is shown to all of them.
fn look_around(socket: &Path, folder: &Path) {
    match besides(socket, folder) {
        Ok(found) => {
            for path in found {
                tracing::warn!(
                    path = %path.display(),
                    "every pod with a volume finds this: give the agent's socket a folder of its own"
                );
            }
        }
        Err(error) => {
            let folder = folder.display();
            tracing::warn!(%error, "the agent's folder {folder} cannot be read; until it is there no pod gets a volume");
        }
    }
}

/// What is in a folder besides this file, in order.
fn besides(file: &Path, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        found.push(entry?.path());
    }
    found.retain(|path| path != file);
    found.sort();
    Ok(found)
}

/// What is said to calls of other services.
fn unknown() -> Status {
    Status::unimplemented("the driver has the services csi.v1.Identity and csi.v1.Node, and no other")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pods_find_besides_the_socket_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["api.sock", "seal.key", "admin.sock"] {
            fs::File::create(at(name)).unwrap();
        }
        assert_eq!(besides(&at("api.sock"), folder.path()).unwrap(), [at("admin.sock"), at("seal.key")]);
        assert!(besides(&at("missing/api.sock"), &at("missing")).is_err());
    }
}
