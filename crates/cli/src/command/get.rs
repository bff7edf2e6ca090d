//! `carnet get ROUTE`: the credential on standard output.

use carnet_core::{Context, Delivered, DeliveryConfig as _, Error, Output};
use carnet_gcp::{GcpExecutable, executable_failure};
use carnet_route::{Registry, Route, RouteRun};
use clap::ArgMatches;
use serde_json::json;

use super::{flagged, route_args};
use crate::{
    args::{Get, Global},
    output::{Terminal, Text, Warning, without_secrets},
    world,
};

/// The form of a route that has nothing for standard output itself.
const USUAL: &str = "json";

pub(super) fn run(global: &Global, args: &Get, matches: Option<&ArgMatches>, terminal: Terminal) -> Result<u8, Error> {
    let context = world::context();
    let route = prepared(global, args, matches, &context);
    let google = answers_google(args, route.as_ref().ok());
    match route.and_then(|route| get(&route, args, google, &context, terminal)) {
        // Its libraries show the message of an answer; of a program that fails, most show only the exit code.
        Err(error) if google && !args.dry_run => {
            terminal.data(executable_failure(&error).expose())?;
            Ok(0)
        }
        outcome => outcome,
    }
}

/// Whether one of Google's libraries reads the output: one JSON object, and nothing on standard error, which the
/// Python library reads as part of it.
fn answers_google(args: &Get, route: Option<&Route>) -> bool {
    let delivers = || route.is_some_and(|route| route.deliveries().iter().any(|one| one.name() == GcpExecutable::NAME));
    !args.quiet && args.format.first().map_or_else(delivers, |form| form == GcpExecutable::NAME)
}

fn get(route: &Route, args: &Get, google: bool, context: &Context, terminal: Terminal) -> Result<u8, Error> {
    if args.dry_run {
        return plan(route, terminal);
    }
    world::block_on(async {
        let run = route.run(context).await.map_err(Error::from)?;
        if !google {
            warn(&run, terminal);
        }
        let delivered = route.deliver(context, &run.credential).await?;
        for done in &delivered {
            log(done);
        }
        if !args.quiet {
            write(route, &delivered, terminal)?;
        }
        Ok(0)
    })
}

/// The route that the arguments name, with the form for standard output.
fn prepared(global: &Global, args: &Get, matches: Option<&ArgMatches>, context: &Context) -> Result<Route, Error> {
    let mut routes = route_args::routes(global, &args.route, matches, context)?;
    let Some(route) = routes.pop().filter(|_| routes.is_empty()) else {
        return Err(Error::configuration("get the credential of several routes at once")
            .hint("give one route; `carnet run` takes several"));
    };
    if args.quiet {
        return Ok(route);
    }
    let has_output = route.deliveries().iter().any(|delivery| delivery.output() != Output::Nothing);
    let route = match args.format.as_slice() {
        [] if has_output => route,
        [] => with_format(route, &[USUAL.to_owned()], context)?,
        words => with_format(route, words, context)?,
    };
    let flags = matches.and_then(|matches| matches.get_occurrences::<String>("deliver")).map_or(0, Iterator::count);
    check_stream(&route, flags, !args.format.is_empty())?;
    Ok(route)
}

/// The form on standard output is one more delivery.
fn with_format(route: Route, words: &[String], context: &Context) -> Result<Route, Error> {
    let part = route_args::delivery_words("--format", words)?;
    let registry = Registry::standard();
    let delivery = part.delivery(&registry, &*context.environment).map_err(route_args::told)?;
    flagged::deliver_also(route, &part.flag, delivery, &registry)
}

/// Refuses, before anything is sent, two that want standard output for themselves; and lines that were asked for, with a flag
/// or with `--format`, beside one of those: a shell would evaluate something else. Those come last, in this order.
fn check_stream(route: &Route, flags: usize, has_format: bool) -> Result<(), Error> {
    let deliveries = route.deliveries();
    let own = deliveries.len().saturating_sub(flags).saturating_sub(usize::from(has_format));
    let wants = |at: usize, output: Output| output == Output::Whole || (at >= own && output == Output::Exports);
    let outputs = || deliveries.iter().map(|delivery| delivery.output()).enumerate();
    let is_mixed = outputs().any(|(_, output)| output == Output::Whole);
    let places: Vec<usize> = outputs().filter(|(at, output)| wants(*at, *output)).map(|(at, _)| at).collect();
    if !is_mixed || places.len() < 2 {
        return Ok(());
    }
    let names = places.iter().filter_map(|at| deliveries.get(*at)).map(|delivery| format!("`{}`", delivery.name()));
    let names: Vec<String> = names.collect();
    let is_format = |at: &usize| has_format && at.saturating_add(1) == deliveries.len();
    // Without the form nothing would be left to refuse.
    let hint = if places.len() == 2 && places.iter().any(is_format) {
        "leave out --format: the route writes to standard output itself"
    } else {
        "keep one of them; the others can have a route of their own"
    };
    Err(Error::configuration(format!("write {} to one standard output", names.join(" and ")))
        .hint(hint)
        .hint("with --quiet none of them is written, and files are"))
}

/// Says what the steps of a route warned of.
pub(super) fn warn(run: &RouteRun, terminal: Terminal) {
    for hop in &run.hops {
        if let Some(warning) = hop.facts.get("warning") {
            terminal.warn(&Warning { message: warning, step: Some(&hop.step.to_string()), ..Warning::default() });
        }
    }
}

fn log(delivered: &Delivered) {
    for file in delivered.files.iter().chain(&delivered.shared) {
        tracing::info!(file.path = %file.display(), "wrote a file");
    }
}

/// What wants the stream for itself gets it; otherwise lines for a shell follow one another.
fn write(route: &Route, delivered: &[Delivered], terminal: Terminal) -> Result<(), Error> {
    let forms = || route.deliveries().iter().map(|delivery| delivery.output());
    let wanted = if forms().any(|form| form == Output::Whole) { Output::Whole } else { Output::Exports };
    for (_, done) in forms().zip(delivered).filter(|(form, _)| *form == wanted) {
        let Some(output) = &done.output else { continue };
        terminal.data(output.expose())?;
        // A prompt must not stand behind a token; a pipe gets the exact bytes.
        if Terminal::stdout_is_terminal() && !output.expose().ends_with(b"\n") {
            terminal.data(b"\n")?;
        }
    }
    Ok(())
}

/// `--dry-run`: every step in order, nothing sent and nothing written.
fn plan(route: &Route, terminal: Terminal) -> Result<u8, Error> {
    let steps = route.steps();
    if terminal.is_json() {
        terminal.json(without_secrets(&json!({"route": route.name(), "steps": steps})))?;
        return Ok(0);
    }
    let mut text = Text::from(format!("{}\n", route.name()));
    for step in &steps {
        text.push(format!("  {step}\n"));
    }
    for exchange in route.exchanges() {
        if let Some(audience) = exchange.audience() {
            text.push(format!("  {} asks the step before it for the audience {audience}\n", exchange.name()));
        }
    }
    terminal.text(text.redacted())?;
    Ok(0)
}
