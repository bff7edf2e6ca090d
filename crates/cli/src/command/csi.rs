//! `carnet csi`: the agent's socket as a volume for pods.

use std::{path::PathBuf, sync::Arc};

use carnet_core::{Environment as _, Error, SystemEnvironment};
use carnet_csi::{DEFAULT_DRIVER_NAME, DEFAULT_KUBELET, Driver, KernelMounts, Settings, endpoint_path};
use carnet_ops::systemd;
use clap::Args;
use serde_json::json;

use super::service::{Orders, orders};
use crate::{
    output::{SCHEMA_VERSION, Terminal, Text, bold},
    world,
};

/// What systemd shows while it serves.
const STATUS: &str = "serving the kubelet";
/// Where plugins are told to listen (CSI, Environment Variables).
const ENDPOINT: &str = "CSI_ENDPOINT";

/// What the driver goes by. There is no section for it: it has nothing that would be read again.
#[derive(Debug, Args)]
pub(crate) struct Csi {
    /// Where the kubelet calls, for instance `unix:///csi/csi.sock`. Otherwise CSI_ENDPOINT.
    #[arg(long, value_name = "ADDRESS")]
    endpoint: Option<String>,
    /// The name of this node in Kubernetes.
    #[arg(long, value_name = "NAME")]
    node_id: String,
    /// What pods call the driver, and its CSIDriver object.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_DRIVER_NAME)]
    driver_name: String,
    /// The agent's socket. Pods get its folder, with all that is in it.
    #[arg(long, value_name = "PATH", default_value = "/run/carnet/agent/api.sock")]
    workload_socket: PathBuf,
    /// The kubelet's root directory. Nothing is mounted or removed elsewhere.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_KUBELET)]
    kubelet_dir: PathBuf,
    /// Stop when standard input ends.
    #[arg(long)]
    stop_with_stdin: bool,
}

pub(super) fn run(args: Csi, terminal: Terminal) -> Result<u8, Error> {
    world::block_on(async {
        let orders = orders(args.stop_with_stdin)?;
        let settings = settings(args)?;
        let driver = Driver::start(settings.clone(), Arc::new(KernelMounts))?;
        let ended = serve(orders, &settings, terminal).await;
        driver.shutdown().await;
        ended.map(|()| 0)
    })
}

fn settings(args: Csi) -> Result<Settings, Error> {
    let endpoint = args.endpoint.or_else(|| SystemEnvironment.get(ENDPOINT)).ok_or_else(|| {
        Error::configuration("listen for the kubelet: nothing says where")
            .hint(format!("write --endpoint unix:///csi/csi.sock, or set {ENDPOINT}"))
    })?;
    Ok(Settings {
        driver_name: args.driver_name,
        node_id: args.node_id,
        endpoint: endpoint_path(&endpoint)?,
        workload_socket: args.workload_socket,
        kubelet: args.kubelet_dir,
    })
}

/// Until it is told to stop.
async fn serve(mut orders: Orders, settings: &Settings, terminal: Terminal) -> Result<(), Error> {
    announce(settings, terminal)?;
    systemd::ready(STATUS);
    loop {
        tokio::select! {
            () = orders.shutdown.cancelled() => return Ok(()),
            asked = orders.reload.changed() => match asked {
                Ok(()) => systemd::reloaded(),
                Err(_) => return Ok(()),
            },
        }
    }
}

fn announce(settings: &Settings, terminal: Terminal) -> Result<(), Error> {
    let folder = settings.folder();
    if terminal.is_json() {
        let line = json!({
            "version": SCHEMA_VERSION,
            "ready": true,
            "driver": settings.driver_name,
            "node": settings.node_id,
            "endpoint": format!("unix://{}", settings.endpoint.display()),
            "folder": folder,
        });
        return terminal.data(format!("{line}\n").as_bytes());
    }
    let mut text = Text::default();
    let head = format!("{} gives pods of {} the folder {}.", settings.driver_name, settings.node_id, folder.display());
    text.styled(bold(), head).push("\n");
    terminal.text(text)
}
