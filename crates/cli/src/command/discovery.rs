//! `carnet discovery`: the documents of an existing SPIFFE installation, served or exported.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use carnet_core::{Context, Error, ErrorKind, SystemEnvironment, chain};
use carnet_discovery::{
    Change, Discovery, DiscoveryConfig, DiscoveryPlan, ExportFile, Follower, Source, UploadTo, check, diff, export,
    export_files, upload_commands,
};
use carnet_net::Settings as Network;
use carnet_ops::systemd;
use carnet_spiffe::Bundle;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use super::service::{Orders, orders, section};
use crate::{
    args::{self, DiscoveryCommand, Global},
    output::{SCHEMA_VERSION, Terminal, Text, bold, green, red},
    world,
};

/// What systemd shows while it serves.
const STATUS: &str = "serving";
/// Longest wait for the source when documents are exported.
const SOURCE_TIMEOUT: Duration = Duration::from_secs(30);
/// Exit code when what is published is not what was exported.
const DIFFERENT: u8 = 8;

pub(super) fn run(global: &Global, args: args::Discovery, terminal: Terminal) -> Result<u8, Error> {
    world::block_on(async {
        let context = world::context();
        let network = Network::from_environment(&SystemEnvironment);
        let plan = section::<DiscoveryConfig>(global, &context)?;
        match args.command {
            None => {
                let orders = orders(args.stop_with_stdin)?;
                let traces = plan.telemetry.as_ref().map(|to| world::export_traces(to, &context)).transpose()?;
                let ended = serve(global, &plan, &context, &network, orders, terminal).await;
                if let Some(traces) = traces {
                    traces.shutdown().await;
                }
                ended
            }
            Some(DiscoveryCommand::Export(args)) => write(&plan, args, &context, &network, terminal).await,
        }
    })
}

async fn serve(
    global: &Global,
    plan: &DiscoveryPlan,
    context: &Context,
    network: &Network,
    orders: Orders,
    terminal: Terminal,
) -> Result<u8, Error> {
    let Orders { shutdown, mut reload } = orders;
    let discovery = Discovery::bind(plan, context, network)?;
    announce(&discovery, terminal)?;
    systemd::ready(STATUS);
    let reloader = discovery.reloader();
    let reloads = async {
        while reload.changed().await.is_ok() {
            let outcome = match section::<DiscoveryConfig>(global, context) {
                Ok(plan) => reloader.reload(&plan).await,
                Err(error) => {
                    reloader.refused();
                    Err(error)
                }
            };
            match outcome {
                Ok(()) => tracing::info!("the configuration was read again"),
                Err(error) => {
                    let (hints, error) = (error.hints().join("; "), chain(&error).join(": "));
                    tracing::error!(error, hints, "the configuration is not taken; all goes on as before");
                }
            }
            systemd::reloaded();
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = discovery.run(shutdown) => {}
        () = reloads => {}
    }
    Ok(0)
}

fn announce(discovery: &Discovery, terminal: Terminal) -> Result<(), Error> {
    let text = |address: Option<SocketAddr>| address.map(|address| address.to_string());
    let address = text(discovery.address());
    if terminal.is_json() {
        let line = json!({
            "version": SCHEMA_VERSION,
            "ready": true,
            "address": address,
            "health": text(discovery.health_address()),
            "diagnostics": text(discovery.diagnostics_address()),
        });
        return terminal.data(format!("{line}\n").as_bytes());
    }
    let mut text = Text::default();
    let place = address.unwrap_or_else(|| "its socket".to_owned());
    text.styled(bold(), format!("The discovery documents are served at {place}.")).push("\n");
    terminal.text(text)
}

async fn write(
    plan: &DiscoveryPlan,
    args: args::DiscoveryExport,
    context: &Context,
    network: &Network,
    terminal: Terminal,
) -> Result<u8, Error> {
    let bundle = read_once(plan, context, network).await?;
    let files = export_files(&bundle, &plan.settings, plan.bundle.as_ref())?;
    if args.check {
        let issuer = plan.settings.issuer.as_deref().unwrap_or_default();
        return read_back(issuer, &files, context, terminal).await;
    }
    let changes =
        if args.dry_run { diff(&args.folder, &files, context)? } else { export(&args.folder, &files, context)? };
    let commands = target(&args).map(|to| upload_commands(&args.folder, &files, to)).unwrap_or_default();
    show(&args.folder, &files, &changes, &commands, terminal)?;
    Ok(0)
}

/// The source's bundle, once. What serves it may be about to start, so it is asked again for a while; a file that is wrong
/// stays wrong.
async fn read_once(plan: &DiscoveryPlan, context: &Context, network: &Network) -> Result<Arc<Bundle>, Error> {
    let source = carnet_discovery::source_of(plan, context)?;
    let is_file = matches!(source, Source::File { .. });
    let follower = Follower::new(source, plan.poll, context.clone(), network)?;
    let deadline = Instant::now() + SOURCE_TIMEOUT;
    let mut last = None;
    while let Ok(read) = timeout_at(deadline, follower.read()).await {
        match read {
            Ok(bundle) => return Ok(bundle),
            Err(error) => {
                let hopeless = is_file || error.kind() == ErrorKind::Configuration;
                last = Some(error);
                if hopeless || Instant::now() + plan.poll >= deadline {
                    break;
                }
                sleep(plan.poll).await;
            }
        }
    }
    let what = "read the keys from their source";
    Err(match last {
        Some(error) => Error::new(error.kind(), what).because(error),
        None => Error::unreachable(format!("{what}: it does not answer"))
            .hint("check `source` in the section [discovery], and that what it names is running"),
    })
}

async fn read_back(issuer: &str, files: &[ExportFile], context: &Context, terminal: Terminal) -> Result<u8, Error> {
    let findings = check(issuer, files, context).await?;
    let good = findings.iter().all(|finding| finding.wrong.is_none());
    if terminal.is_json() {
        let list: Vec<_> = findings
            .iter()
            .map(|one| json!({ "url": one.url, "check": one.check.name(), "wrong": one.wrong, "hint": one.hint }))
            .collect();
        terminal.json(json!({ "ok": good, "findings": list }))?;
    } else {
        let mut text = Text::default();
        for finding in &findings {
            let (style, word) = if finding.wrong.is_none() { (green(), "ok   ") } else { (red(), "wrong") };
            text.styled(style, word).push(format!(" {} {}\n", finding.url, finding.check.name()));
            for more in finding.wrong.iter().chain(&finding.hint) {
                text.push(format!("      {more}\n"));
            }
        }
        terminal.text(text)?;
    }
    Ok(if good { 0 } else { DIFFERENT })
}

fn target(args: &args::DiscoveryExport) -> Option<UploadTo<'_>> {
    let azure = || args.azure.as_deref().and_then(|text| text.split_once('/'));
    args.s3
        .as_deref()
        .map(UploadTo::S3)
        .or_else(|| args.gcs.as_deref().map(UploadTo::Gcs))
        .or_else(|| args.oci.as_deref().map(UploadTo::Oci))
        .or_else(|| azure().map(|(account, container)| UploadTo::Azure(account, container)))
}

fn show(
    folder: &std::path::Path,
    files: &[ExportFile],
    changes: &[Change],
    commands: &[String],
    terminal: Terminal,
) -> Result<(), Error> {
    let place = |file: &ExportFile| -> PathBuf { folder.join(&file.path) };
    if terminal.is_json() {
        let list: Vec<_> = files
            .iter()
            .zip(changes)
            .map(|(file, change)| {
                json!({
                    "file": place(file),
                    "change": change.name(),
                    "content_type": file.content_type,
                    "cache_control": file.cache_control,
                })
            })
            .collect();
        return terminal.json(json!({ "files": list, "upload": commands }));
    }
    let mut text = Text::default();
    for (file, change) in files.iter().zip(changes) {
        text.push(format!(
            "{:<8} {}  ({}, {})\n",
            change.name(),
            place(file).display(),
            file.content_type,
            file.cache_control
        ));
    }
    for command in commands {
        text.push(format!("{command}\n"));
    }
    terminal.text(text)
}
