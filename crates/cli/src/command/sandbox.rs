//! `carnet sandbox`: the emulated clouds on loopback.

mod remote;

use std::{io::Read as _, path::PathBuf, sync::Arc};

use carnet_core::{Error, NewFile, Secret, SystemClock, SystemRandom, replace_files};
use carnet_sandbox::{Flavour, Options, Service};
use serde_json::{Map, Value, json};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use super::{
    guest,
    supervise::{self, Ready},
};
use crate::{
    args::{Sandbox, SandboxCommand},
    output::{SCHEMA_VERSION, Terminal, Text, Warning, bold},
    world,
};

/// The file in the sandbox's folder that says where its control API listens.
const CONTROL_FILE: &str = "control-url";

pub(super) fn run(args: Sandbox, terminal: Terminal) -> Result<u8, Error> {
    let guests = args.guests.iter().map(|text| guest::parse(text)).collect::<Result<_, _>>()?;
    let start = start(args.folder, guests);
    let Some(command) = args.command else {
        return world::block_on(stay(start, args.stop_with_stdin, terminal));
    };
    match command {
        SandboxCommand::Run { direct, job, audience, command } => {
            let job = job.as_deref().map(|job| (job, audience.as_deref()));
            world::block_on(run_in(start, direct, job, &command, terminal))
        }
        other => world::block_on(remote::run(other, terminal)),
    }
}

async fn start(folder: Option<PathBuf>, guests: Vec<Service>) -> Result<carnet_sandbox::Sandbox, Error> {
    let options = Options { folder, guests, parent: world::temporary_folder(), ..Options::default() };
    let sandbox = carnet_sandbox::Sandbox::start(options, Arc::new(SystemClock), Arc::new(SystemRandom)).await?;
    let control = sandbox.control_url().origin().ascii_serialization();
    replace_files(&[NewFile::new(sandbox.folder().join(CONTROL_FILE), control)])?;
    Ok(sandbox)
}

/// Starts, says where everything is, and stays until a signal or the end of standard input.
async fn stay(
    start: impl Future<Output = Result<carnet_sandbox::Sandbox, Error>>,
    stop_with_stdin: bool,
    terminal: Terminal,
) -> Result<u8, Error> {
    // Before there is a folder with keys: a signal that nobody listens for would leave it behind.
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let sandbox = start.await?;
    if terminal.is_json() {
        // One line, so that a program can read it without waiting for the end.
        let ready = json!({
            "version": SCHEMA_VERSION,
            "ready": true,
            "folder": sandbox.folder(),
            "control": sandbox.control_url().origin().ascii_serialization(),
            "proxy": sandbox.proxy_url().origin().ascii_serialization(),
            "urls": urls(&sandbox),
            "seed": carnet_sandbox::seed(),
        });
        terminal.data(format!("{ready}\n").as_bytes())?;
    } else {
        terminal.text(welcome(&sandbox))?;
    }
    let stopped = sandbox.shutdown().clone();
    tokio::select! {
        () = stopped.cancelled() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
        () = end_of_input(), if stop_with_stdin => {}
    }
    sandbox.stop().await;
    Ok(0)
}

async fn run_in(
    start: impl Future<Output = Result<carnet_sandbox::Sandbox, Error>>,
    direct: bool,
    job: Option<(&str, Option<&str>)>,
    command: &[String],
    terminal: Terminal,
) -> Result<u8, Error> {
    let mut signals = supervise::Signals::listen()?;
    let flavour = if direct { Flavour::Direct } else { Flavour::Proxy };
    let first = async {
        let sandbox = start.await?;
        let environment = sandbox.environment(flavour).await?;
        let unset = misleading(&sandbox, flavour, &environment).await?;
        Ok((sandbox, environment, unset))
    };
    let (sandbox, environment, unset) = match supervise::prepare(&mut signals, first).await? {
        Ready::Done(first) => first,
        Ready::Ended(code) => return Ok(code),
    };
    let mut environment: Vec<(String, Secret)> =
        environment.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
    if let Some((job, audience)) = job {
        let variables = sandbox.job_environment(job, audience)?;
        environment.extend(variables.into_iter().map(|(name, value)| (name, Secret::new(value))));
    }
    environment.push(("CARNET_SANDBOX".to_owned(), Secret::new(sandbox.folder().to_string_lossy())));
    let code = supervise::child(command, &unset, &environment, &mut signals, terminal).await;
    for host in sandbox.refused_hosts() {
        let message = format!("the sandbox refused {host}, which no emulated cloud answers for");
        terminal.warn(&Warning { message: &message, ..Warning::default() });
    }
    sandbox.stop().await;
    code
}

/// Variables that tell clients of a cloud not to ask for its metadata, as who works outside any cloud sets them.
/// In the sandbox they would hide machines that are there (google-auth; "AWS SDKs and Tools Reference Guide", IMDS client settings).
const NOT_IN_A_CLOUD: [&str; 2] = ["NO_GCE_CHECK", "AWS_EC2_METADATA_DISABLED"];

/// Variables of the caller that would lead past this sandbox: those that only the direct flavour sets (a shell that took them
/// from another sandbox would send clients there), and those that say that there is no cloud.
async fn misleading(
    sandbox: &carnet_sandbox::Sandbox,
    flavour: Flavour,
    environment: &[(String, String)],
) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = NOT_IN_A_CLOUD.map(str::to_owned).to_vec();
    if flavour != Flavour::Direct {
        names.extend(sandbox.environment(Flavour::Direct).await?.into_iter().map(|(name, _)| name));
    }
    names.retain(|name| environment.iter().all(|(set, _)| set != name));
    Ok(names)
}

fn urls(sandbox: &carnet_sandbox::Sandbox) -> Value {
    let urls: Map<String, Value> = sandbox
        .urls()
        .iter()
        .map(|(name, urls)| ((*name).to_owned(), json!({"plain": urls.plain_origin(), "tls": urls.tls_origin()})))
        .collect();
    Value::Object(urls)
}

fn welcome(sandbox: &carnet_sandbox::Sandbox) -> Text {
    let mut text = Text::default();
    text.styled(bold(), "The emulated clouds are up.").push("\n\n");
    for (name, urls) in sandbox.urls() {
        address(&mut text, name, &urls.plain_origin(), &urls.tls_origin());
    }
    text.push("\n");
    address(&mut text, "proxy", &sandbox.proxy_url().origin().ascii_serialization(), "");
    let folder = sandbox.folder().display();
    address(&mut text, "files", &folder.to_string(), "");
    text.push(format!("\nIn another shell:\n  eval \"$(carnet sandbox env --at {folder})\"\n\nStop with Ctrl-C.\n"));
    text
}

/// One line of the table of what is where.
fn address(text: &mut Text, name: &str, plain: &str, tls: &str) {
    let line = format!("  {name:<22} {plain:<24} {tls}");
    text.push(format!("{}\n", line.trim_end()));
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Error> {
    signal(kind).map_err(|error| Error::internal("listen for signals").because(error))
}

/// Ends when whoever started this has gone away. A thread of its own waits: one of the runtime's would hold up its end.
pub(super) async fn end_of_input() {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while matches!(std::io::stdin().read(&mut buffer), Ok(count) if count > 0) {}
        let _ = ended.send(());
    });
    drop(end.await);
}
