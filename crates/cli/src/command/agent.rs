//! `carnet agent`: the SPIFFE Workload API on this node.

use carnet_agent::{Agent, AgentConfig, Phase};
use carnet_core::{Error, SystemEnvironment};
use carnet_net::Settings as Network;
use carnet_ops::systemd;
use serde_json::json;

use super::service::{Orders, orders, section};
use crate::{
    args::Global,
    output::{SCHEMA_VERSION, Terminal, Text, bold},
    world,
};

/// What systemd shows while it serves.
const STATUS: &str = "serving workloads";

pub(super) fn run(global: &Global, stop_with_stdin: bool, terminal: Terminal) -> Result<u8, Error> {
    world::block_on(async {
        let context = world::context();
        let network = Network::from_environment(&SystemEnvironment);
        let mut orders = orders(stop_with_stdin)?;
        let plan = section::<AgentConfig>(global, &context)?;
        let path = plan.settings.socket.path.display().to_string();
        let traces = plan.telemetry.as_ref().map(|to| world::export_traces(to, &context)).transpose()?;
        let agent = Agent::start(plan.parts(context, &network)?)?;
        let ended = serve(&agent, &mut orders, &path, terminal).await;
        agent.shutdown().await;
        if let Some(traces) = traces {
            traces.shutdown().await;
        }
        ended.map(|()| 0)
    })
}

/// Until it is told to stop. The authority may be away: the agent tries until it answers.
async fn serve(agent: &Agent, orders: &mut Orders, path: &str, terminal: Terminal) -> Result<(), Error> {
    let Some(reached) = orders.shutdown.run_until_cancelled(agent.reach(Phase::Serving)).await else { return Ok(()) };
    reached?;
    announce(path, agent, terminal)?;
    systemd::ready(STATUS);
    loop {
        tokio::select! {
            () = orders.shutdown.cancelled() => return Ok(()),
            asked = orders.reload.changed() => match asked {
                Ok(()) => {
                    agent.refresh();
                    systemd::reloaded();
                }
                Err(_) => return Ok(()),
            },
        }
    }
}

fn announce(path: &str, agent: &Agent, terminal: Terminal) -> Result<(), Error> {
    let facts = agent.facts();
    let id = facts.spiffe_id.as_ref().map(ToString::to_string);
    if terminal.is_json() {
        let line = json!({
            "version": SCHEMA_VERSION,
            "ready": true,
            "spiffe_id": id,
            "socket": format!("unix://{path}"),
            "entries": facts.entries,
        });
        return terminal.data(format!("{line}\n").as_bytes());
    }
    let mut text = Text::default();
    text.styled(bold(), format!("# {} serves workloads.", id.unwrap_or_default())).push("\n");
    text.push(format!("export SPIFFE_ENDPOINT_SOCKET='unix://{path}'\n"));
    terminal.text(text)
}
