//! A pod that is simulated: a kubelet on loopback lists it, and `/proc`, as the agent of its node sees it, says that this
//! process is in its container. Everything else there is what the kernel says of this process.

use std::{
    net::Ipv4Addr,
    os::unix::fs::{DirBuilderExt as _, symlink},
    path::{Path, PathBuf},
};

use axum::{Json, Router, routing::get};
use carnet_core::{Error, NewFile, replace_files};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The namespace of the pod.
pub(super) const NAMESPACE: &str = "shop";
/// Its service account.
pub(super) const SERVICE_ACCOUNT: &str = "checkout";
/// Its UID.
const UID: &str = "2c48913c-b29f-11e7-9350-020968147796";
/// Its container.
const CONTAINER: &str = "9bca8d63d5fa610783847915bcff0ecac1273e5b4bed3f6fa1b07350e0135961";
/// What is not simulated.
const KERNEL: [&str; 2] = ["stat", "status"];

/// The simulation.
pub(in crate::command::demo) struct Pod {
    processes: PathBuf,
    process: PathBuf,
    kubelet: String,
}

impl Pod {
    /// In this folder, until `shutdown`.
    pub(super) async fn simulate(folder: &Path, shutdown: CancellationToken) -> Result<Self, Error> {
        let failed = |what: &'static str| move |error: std::io::Error| Error::internal(what).because(error);
        let processes = folder.join("simulated-proc");
        let process = processes.join(std::process::id().to_string());
        let made = std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&process);
        made.map_err(failed("make the folder of the simulated process"))?;
        let executable = std::env::current_exe().map_err(failed("find the own executable"))?;
        let kernel = KERNEL.into_iter().map(|name| (Path::new("/proc/self").join(name), name));
        for (target, name) in kernel.chain([(executable, "exe")]) {
            symlink(target, process.join(name)).map_err(failed("link the simulated process to this one"))?;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed("listen for the kubelet"))?;
        let address = listener.local_addr().map_err(failed("ask the kubelet's socket for its address"))?;
        let kubelet = Router::new().route("/pods", get(|| async { Json(pods()) }));
        tokio::spawn(carnet_net::serve(listener, kubelet, None, shutdown));
        let pod = Self { processes, process, kubelet: format!("http://{address}/pods") };
        pod.enter()?;
        Ok(pod)
    }

    /// This process is in the pod's container.
    pub(in crate::command::demo) fn enter(&self) -> Result<(), Error> {
        let pod = UID.replace('-', "_");
        self.be_in(&format!("/kubepods.slice/kubepods-pod{pod}.slice/cri-containerd-{CONTAINER}.scope"))
    }

    /// This process is on the pod's node, outside of every pod.
    pub(in crate::command::demo) fn leave(&self) -> Result<(), Error> {
        self.be_in("/system.slice/other.service")
    }

    fn be_in(&self, group: &str) -> Result<(), Error> {
        replace_files(&[NewFile::new(self.process.join("cgroup"), format!("0::{group}\n"))])
    }

    /// What stands for `/proc`.
    pub(super) fn processes(&self) -> &Path {
        &self.processes
    }

    /// The kubelet's list.
    pub(super) fn kubelet(&self) -> &str {
        &self.kubelet
    }
}

/// The kubelet's list (Kubernetes API, `PodList`).
fn pods() -> Value {
    json!({
        "kind": "PodList",
        "apiVersion": "v1",
        "items": [{
            "metadata": { "name": "checkout-0", "namespace": NAMESPACE, "uid": UID, "labels": { "app": "checkout" } },
            "spec": { "serviceAccountName": SERVICE_ACCOUNT, "nodeName": "simulated" },
            "status": { "containerStatuses": [{
                "name": "main",
                "image": "registry.example/checkout:1",
                "imageID": format!("registry.example/checkout@sha256:{CONTAINER}"),
                "containerID": format!("containerd://{CONTAINER}"),
            }] },
        }],
    })
}
