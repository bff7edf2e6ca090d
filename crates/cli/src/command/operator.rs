//! `carnet operator`: custom resources of a Kubernetes cluster.

use carnet_core::{Error, SystemEnvironment};
use carnet_net::Settings as Network;
use carnet_operator::{Operator, OperatorConfig};
use carnet_ops::systemd;
use serde_json::json;

use super::service::{orders, section};
use crate::{
    args::Global,
    output::{SCHEMA_VERSION, Terminal, Text, bold},
    world,
};

/// What systemd shows while it works.
const STATUS: &str = "following the cluster";

pub(super) fn run(global: &Global, stop_with_stdin: bool, terminal: Terminal) -> Result<u8, Error> {
    world::block_on(async {
        let context = world::context();
        let network = Network::from_environment(&SystemEnvironment);
        let mut orders = orders(stop_with_stdin)?;
        let plan = section::<OperatorConfig>(global, &context)?;
        let traces = plan.telemetry.as_ref().map(|to| world::export_traces(to, &context)).transpose()?;
        let operator = Operator::bind(&plan, &context, &network)?;
        announce(&operator, terminal)?;
        systemd::ready(STATUS);
        // Whatever it keeps is read from the cluster; of its own configuration nothing changes while it runs.
        let reloads = async {
            while orders.reload.changed().await.is_ok() {
                tracing::warn!("the section [operator] is read at the start only: start the operator again");
                systemd::reloaded();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = operator.run(orders.shutdown.clone()) => {}
            () = reloads => {}
        }
        if let Some(traces) = traces {
            traces.shutdown().await;
        }
        Ok(0)
    })
}

fn announce(operator: &Operator, terminal: Terminal) -> Result<(), Error> {
    let diagnostics = operator.diagnostics_address().map(|address| address.to_string());
    if terminal.is_json() {
        let line = json!({ "version": SCHEMA_VERSION, "ready": true, "diagnostics": diagnostics });
        return terminal.data(format!("{line}\n").as_bytes());
    }
    let mut text = Text::default();
    text.styled(bold(), "The operator follows the cluster.").push("\n");
    terminal.text(text)
}
