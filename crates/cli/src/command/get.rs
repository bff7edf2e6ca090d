//! `carnet get ROUTE`: the credential on standard output.

use carnet_core::{Context, Delivered, DeliveryConfig as _, Error};
use carnet_gcp::{GcpExecutable, executable_failure};
use carnet_route::{Registry, Route, RouteRun};
use clap::ArgMatches;
use serde_json::json;

use super::{flagged, route_args};
use crate::{
    args::{Get, Global},
    output::{Terminal, Warning},
    world,
};

pub(super) fn run(global: &Global, args: &Get, matches: Option<&ArgMatches>, terminal: Terminal) -> Result<u8, Error> {
    match get(global, args, matches, terminal) {
        // Its libraries show the message of an answer; of a program that fails, most show only the exit code.
        Err(error) if answers_google(args) && !args.dry_run => {
            terminal.data(executable_failure(&error).expose())?;
            Ok(0)
        }
        outcome => outcome,
    }
}

/// Whether one of Google's libraries reads the output: one JSON object, and nothing on standard error, which the
/// Python library reads as part of it.
fn answers_google(args: &Get) -> bool {
    !args.quiet && args.format.first().is_some_and(|form| form == GcpExecutable::NAME)
}

fn get(global: &Global, args: &Get, matches: Option<&ArgMatches>, terminal: Terminal) -> Result<u8, Error> {
    let context = world::context();
    let mut routes = route_args::routes(global, &args.route, matches, &context)?;
    let Some(route) = routes.pop().filter(|_| routes.is_empty()) else {
        return Err(Error::configuration("get the credential of several routes at once")
            .hint("give one route; `carnet run` takes several"));
    };
    let route = if args.quiet { route } else { with_format(route, &args.format, &context)? };
    if args.dry_run {
        return plan(&route, terminal);
    }
    world::block_on(async {
        let run = route.run(&context).await.map_err(Error::from)?;
        if !answers_google(args) {
            warn(&run, terminal);
        }
        for delivered in route.deliver(&context, &run.credential).await? {
            write(&delivered, terminal)?;
        }
        Ok(0)
    })
}

/// The form on standard output is one more delivery.
fn with_format(route: Route, words: &[String], context: &Context) -> Result<Route, Error> {
    let part = route_args::delivery_words("--format", words)?;
    let registry = Registry::standard();
    let delivery = part.delivery(&registry, &*context.environment).map_err(route_args::told)?;
    flagged::deliver_also(route, &part.flag, delivery, &registry)
}

/// Says what the steps of a route warned of.
pub(super) fn warn(run: &RouteRun, terminal: Terminal) {
    for hop in &run.hops {
        if let Some(warning) = hop.facts.get("warning") {
            terminal.warn(&Warning { message: warning, step: Some(&hop.step.to_string()), ..Warning::default() });
        }
    }
}

fn write(delivered: &Delivered, terminal: Terminal) -> Result<(), Error> {
    for file in delivered.files.iter().chain(&delivered.shared) {
        tracing::info!(file.path = %file.display(), "wrote a file");
    }
    let Some(output) = &delivered.output else { return Ok(()) };
    terminal.data(output.expose())?;
    // A prompt must not stand behind a token; a pipe gets the exact bytes.
    if Terminal::stdout_is_terminal() && !output.expose().ends_with(b"\n") {
        terminal.data(b"\n")?;
    }
    Ok(())
}

/// `--dry-run`: every step in order, nothing sent and nothing written.
fn plan(route: &Route, terminal: Terminal) -> Result<u8, Error> {
    let steps = route.steps();
    if terminal.is_json() {
        terminal.json(json!({"route": route.name(), "steps": steps}))?;
        return Ok(0);
    }
    let mut text = format!("{}\n", route.name());
    for step in &steps {
        text.push_str(&format!("  {step}\n"));
    }
    for exchange in route.exchanges() {
        if let Some(audience) = exchange.audience() {
            text.push_str(&format!("  {} asks the step before it for the audience {audience}\n", exchange.name()));
        }
    }
    terminal.text(text)?;
    Ok(0)
}
