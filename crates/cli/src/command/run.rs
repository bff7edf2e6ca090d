//! `carnet run ROUTE… -- CMD`: a child whose credentials are kept fresh.

use std::sync::Arc;

use carnet_core::{Context, Error, Secret};
use carnet_renew::{RenewError, Renewer, Settings};
use carnet_route::{Route, RouteRun, keep};
use clap::ArgMatches;
use tokio::task::JoinSet;

use self::{
    release::Replaced,
    together::{Handed, Together},
};
use super::{
    default_delivery, get, route_args,
    supervise::{self, Ready},
};
use crate::{
    args::{Global, Run},
    output::{Terminal, Warning},
    world,
};

mod release;
mod together;

pub(super) fn run(global: &Global, args: &Run, matches: Option<&ArgMatches>, terminal: Terminal) -> Result<u8, Error> {
    let context = world::context();
    let routes = route_args::routes(global, &args.route, matches, &context)?;
    let folder = default_delivery::PrivateFolder::new(&context);
    let routes = routes
        .into_iter()
        .map(|route| default_delivery::complete(route, &folder, &context))
        .collect::<Result<Vec<_>, _>>()?;
    world::block_on(async {
        let renewer = keep(routes.iter().cloned(), &context, Settings::default());
        let outcome = supervise_all(&context, &routes, &renewer, &args.command, terminal).await;
        renewer.shutdown().await;
        close(folder, &context, routes, terminal).await;
        outcome
    })
}

/// Removes what was written and gives back what was obtained.
async fn close(folder: default_delivery::PrivateFolder, context: &Context, routes: Vec<Route>, terminal: Terminal) {
    // Before anything is waited for: whoever loses patience and kills this process leaves no files behind.
    drop(folder);
    release::all(context, routes, terminal).await;
}

async fn supervise_all(
    context: &Context,
    routes: &[Route],
    renewer: &Renewer<String, RouteRun>,
    command: &[String],
    terminal: Terminal,
) -> Result<u8, Error> {
    let mut signals = supervise::Signals::listen()?;
    let mut keepers = JoinSet::new();
    let first = deliver_first(context, routes, renewer, &mut keepers, terminal);
    let environment = match supervise::prepare(&mut signals, first).await? {
        Ready::Done(environment) => environment,
        Ready::Ended(code) => return Ok(code),
    };
    let outcome = supervise::child(command, &[], &environment, &mut signals, terminal).await;
    keepers.shutdown().await;
    outcome
}

/// Delivers the first credential of every route and sees to the ones that follow; the variables for the child.
async fn deliver_first(
    context: &Context,
    routes: &[Route],
    renewer: &Renewer<String, RouteRun>,
    keepers: &mut JoinSet<()>,
    terminal: Terminal,
) -> Result<Vec<(String, Secret)>, Error> {
    let mut together = Together::default();
    for route in routes {
        let states = renewer.watch(&route.name().to_owned()).await.map_err(error_of)?;
        // Nothing is started before every credential is there: a child without its credential would fail in its own way.
        let first = renewer.get(&route.name().to_owned()).await.map_err(error_of)?;
        get::warn(&first, terminal);
        if let Some(lost) = together.add(route.name(), deliver(context, route, &first).await?)? {
            terminal.warn(&Warning { message: &lost, route: Some(route.name()), step: None });
        }
        // The watch is handed on as it is: what came while this was delivered is news to the keeper, this is not.
        let (context, route) = (context.clone(), route.clone());
        let replaced = Replaced::default();
        keepers.spawn(async move { keep_delivered(&context, &route, states, first, replaced, terminal).await });
    }
    Ok(together.environment())
}

/// Delivers every new credential of a route until its watch ends. What cannot be written is said, and tried again with the
/// next one; what was delivered before still counts until it ends, or is given back a while after it was replaced.
async fn keep_delivered(
    context: &Context,
    route: &Route,
    mut states: tokio::sync::watch::Receiver<carnet_renew::State<RouteRun>>,
    mut last: Arc<RouteRun>,
    mut replaced: Replaced,
    terminal: Terminal,
) {
    let mut told = false;
    loop {
        tokio::select! {
            changed = states.changed() => if changed.is_err() { return },
            run = replaced.due() => {
                release::before(context, route, &run, terminal).await;
                continue;
            }
        }
        let (value, failure) = {
            let state = states.borrow_and_update();
            (state.value().cloned(), state.failure().cloned())
        };
        if let Some(failure) = failure {
            let message = format!("cannot renew {}, next attempt at {:.0}", route.name(), failure.retry_at);
            terminal.warn(&Warning { message: &message, route: Some(route.name()), step: None });
            terminal.fail(&failure.error);
        }
        if let Some(value) = value.filter(|value| !Arc::ptr_eq(value, &last)) {
            match deliver(context, route, &value).await {
                Ok(handed) => {
                    // Who was given variables alone goes on with the old one, so that one must not end.
                    if !handed.files.is_empty() {
                        replaced.by(Arc::clone(&value));
                    } else if !told {
                        let message = only_variables(route.name());
                        terminal.warn(&Warning { message: &message, route: Some(route.name()), step: None });
                        told = true;
                    }
                    last = value;
                }
                Err(error) => terminal.fail(&error),
            }
        }
    }
}

async fn deliver(context: &Context, route: &Route, run: &RouteRun) -> Result<Handed, Error> {
    let mut handed = Handed::default();
    for one in route.deliver(context, &run.credential).await? {
        handed.environment.extend(one.environment);
        handed.files.extend(one.files);
    }
    Ok(handed)
}

/// Nobody can change the variables of a process that runs, so a renewal that reaches no file reaches nobody.
fn only_variables(route: &str) -> String {
    format!(
        "the credential of {route} was renewed, but its command was given variables alone, which keep the old \
         one; if it outlives the token, add a delivery that writes a file, such as token-file"
    )
}

fn error_of(error: RenewError) -> Error {
    error.into()
}

#[cfg(test)]
mod tests;
