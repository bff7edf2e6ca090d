//! `carnet authority`: issuer, token exchange, discovery, admin API.

use carnet_authority::{Addresses, Authority, AuthorityConfig, DevOptions, open_dev, start_dev_agent};
use carnet_core::{Context, Error, SystemEnvironment};
use carnet_net::Settings as Network;
use carnet_ops::systemd;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    authority_admin,
    service::{Folder, Orders, orders, section},
};
use crate::{
    args::{self, Global},
    output::{SCHEMA_VERSION, Terminal, Text, bold},
    world,
};

/// What systemd shows while it serves.
const STATUS: &str = "serving";

pub(super) fn run(global: &Global, mut args: args::Authority, terminal: Terminal) -> Result<u8, Error> {
    if let Some(command) = args.command.take() {
        return authority_admin::run(command, terminal);
    }
    world::block_on(async {
        let context = world::context();
        let network = Network::from_environment(&SystemEnvironment);
        let orders = orders(args.stop_with_stdin)?;
        if args.dev {
            return dev(args, &context, &network, orders, terminal).await;
        }
        let settings = section::<AuthorityConfig>(global, &context)?;
        let issuer = settings.issuer.clone();
        let trust_domain = settings.trust_domain.to_string();
        let traces = settings.telemetry.as_ref().map(|to| world::export_traces(to, &context)).transpose()?;
        let mut settings = (*settings).clone();
        if let Some(store) = args.store {
            settings.store = settings.store.at(store)?;
        }
        let authority = Authority::open(settings, context, network).await?;
        let addresses = authority.addresses()?;
        announce(&Ready { issuer, trust_domain, addresses, folder: None, socket: None }, terminal)?;
        systemd::ready(STATUS);
        let ended = authority.run(orders.reload, orders.shutdown).await;
        if let Some(traces) = traces {
            traces.shutdown().await;
        }
        ended.map(|()| 0)
    })
}

async fn dev(
    args: args::Authority,
    context: &Context,
    network: &Network,
    orders: Orders,
    terminal: Terminal,
) -> Result<u8, Error> {
    let folder = Folder::open(args.folder)?;
    let options = DevOptions {
        folder: folder.path().to_owned(),
        trust_domain: args.trust_domain.as_deref().map(parse_domain).transpose()?,
        rules: args.rules,
        entries: args.entries,
        store: args.store,
    };
    let authority = open_dev(&options, context, network).await?;
    let addresses = authority.addresses()?;
    let (issuer, trust_domain) = (authority.issuer_url().to_owned(), authority.trust_domain().to_string());
    let agent =
        if args.with_agent { Some(start_dev_agent(&authority, folder.path(), context, network).await?) } else { None };
    // The agent ends first: it must not miss an authority that ends with it.
    let stop = CancellationToken::new();
    let mut serving = tokio::spawn(authority.run(orders.reload, stop.clone()));
    if let Some(agent) = &agent {
        tokio::select! {
            reached = agent.reach(carnet_agent::Phase::Serving) => reached?,
            ended = &mut serving => return ended.map_err(|error| Error::internal("serve").because(error))?.map(|()| 0),
        }
    }
    let socket = agent.as_ref().map(|_| format!("unix://{}", folder.path().join("agent.sock").display()));
    let folder_shown = Some(folder.path().to_owned());
    announce(&Ready { issuer, trust_domain, addresses, folder: folder_shown, socket }, terminal)?;
    systemd::ready(STATUS);
    let early = tokio::select! {
        () = orders.shutdown.cancelled() => None,
        ended = &mut serving => Some(ended),
    };
    if let Some(agent) = agent {
        agent.shutdown().await;
    }
    stop.cancel();
    let ended = match early {
        Some(ended) => ended,
        None => serving.await,
    };
    ended.map_err(|error| Error::internal("serve").because(error))?.map(|()| 0)
}

fn parse_domain(text: &str) -> Result<carnet_spiffe::TrustDomain, Error> {
    text.parse().map_err(|error| Error::configuration("read --trust-domain").because(error))
}

/// What a program needs to know to use it.
struct Ready {
    issuer: String,
    trust_domain: String,
    addresses: Addresses,
    folder: Option<std::path::PathBuf>,
    socket: Option<String>,
}

fn announce(ready: &Ready, terminal: Terminal) -> Result<(), Error> {
    let Ready { issuer, trust_domain, addresses, folder, socket } = ready;
    let diagnostics = addresses.diagnostics.map(|address| format!("http://{address}"));
    if terminal.is_json() {
        // One line, so that a program can read it without waiting for the end.
        let line = json!({
            "version": SCHEMA_VERSION,
            "ready": true,
            "issuer": issuer,
            "trust_domain": trust_domain,
            "public": addresses.public.to_string(),
            "nodes": addresses.nodes.map(|address| address.to_string()),
            "bundle": addresses.bundle.map(|address| address.to_string()),
            "admin": addresses.admin,
            "diagnostics": diagnostics,
            "folder": folder,
            "socket": socket,
        });
        return terminal.data(format!("{line}\n").as_bytes());
    }
    let mut text = Text::default();
    text.styled(bold(), format!("# The authority of {trust_domain} serves.")).push("\n");
    text.push(format!("export CARNET_AUTHORITY='{issuer}'\n"));
    text.push(format!("export CARNET_AUTHORITY_SOCKET='{}'\n", addresses.admin.display()));
    if let Some(socket) = socket {
        text.push(format!("export SPIFFE_ENDPOINT_SOCKET='{socket}'\n"));
    }
    if let Some(nodes) = addresses.nodes {
        text.push(format!("# agents:      https://{nodes}\n"));
    }
    if let Some(diagnostics) = diagnostics {
        text.push(format!("# diagnostics: {diagnostics}\n"));
    }
    terminal.text(text)
}
