//! Routes from the configuration or from the command line.

use carnet_core::{Context, Error, ErrorKind};
use carnet_route::{Config, ConfigError, Part, Registry, Route, RouteSpec, before_sign};
use clap::ArgMatches;

use super::flagged;
use crate::args::{Global, RouteArgs};

/// The routes that the arguments name: those of the configuration, or the one that the flags describe.
pub(super) fn routes(
    global: &Global,
    args: &RouteArgs,
    matches: Option<&ArgMatches>,
    context: &Context,
) -> Result<Vec<Route>, Error> {
    let registry = Registry::standard();
    if args.route.is_empty() {
        return Ok(vec![from_flags(args, matches, &registry, context)?]);
    }
    let config = load(global, &registry, context)?.ok_or_else(|| {
        let names: Vec<&str> = args.route.iter().map(|name| before_sign(name)).collect();
        Error::configuration(format!(
            "find the route {}: there is no configuration",
            carnet_core::safe_text(&names.join(", "))
        ))
        .hint("write carnet.toml, name a file with --config, or describe the route with --from and --to")
    })?;
    let deliver = parts("--deliver", "deliver", matches)?;
    args.route
        .iter()
        .map(|name| {
            let mut route = config.route(name)?.clone().audience(args.audience.clone());
            for part in &deliver {
                let delivery = part.delivery(&registry, &*context.environment).map_err(told)?;
                route = flagged::deliver_also(route, &part.flag, delivery, &registry)?;
            }
            Ok(route)
        })
        .collect()
}

/// The configuration, if there is one.
pub(super) fn load(global: &Global, registry: &Registry, context: &Context) -> Result<Option<Config>, Error> {
    Config::load(global.config.as_deref(), registry, context).map_err(told)
}

/// A delivery that is named on the command line, for instance by `--format`.
pub(super) fn delivery_words(flag: &str, words: &[String]) -> Result<Part, Error> {
    Part::parse(flag, words).map_err(told)
}

/// An error of the configuration, rendered with its places.
pub(super) fn told(error: ConfigError) -> Error {
    error.into()
}

fn from_flags(
    args: &RouteArgs,
    matches: Option<&ArgMatches>,
    registry: &Registry,
    context: &Context,
) -> Result<Route, Error> {
    let mut source = parts("--from", "from", matches)?;
    if source.len() > 1 {
        return Err(Error::new(ErrorKind::Configuration, "start a route: `--from` was given twice")
            .hint("a route has one source; further steps are given with --to"));
    }
    let mut through = parts("--to", "to", matches)?;
    let shortcuts = [("audience", &args.audience), ("service_account", &args.service_account), ("url", &args.url)];
    let mut audience = None;
    for (field, value) in shortcuts {
        let Some(value) = value else { continue };
        match through.last_mut() {
            Some(last) => last.fields.push((field.to_owned(), value.clone())),
            None if field == "audience" => audience = Some(value.clone()),
            None => {
                return Err(Error::configuration(format!("use --{}: there is no exchange", field.replace('_', "-")))
                    .hint("add one with --to"));
            }
        }
    }
    let deliver = parts("--deliver", "deliver", matches)?;
    let built =
        deliver.iter().map(|part| part.delivery(registry, &*context.environment)).collect::<Result<Vec<_>, _>>();
    let with = |deliver| {
        let spec = RouteSpec::from_parts(source.pop(), through, deliver).audience(audience);
        spec.build(registry, &*context.environment).map_err(told)
    };
    // Together with what is wrong with the other parts, if something is wrong with these.
    let Ok(deliveries) = built else { return with(deliver) };
    deliver.iter().zip(deliveries).try_fold(with(Vec::new())?, |route, (part, delivery)| {
        flagged::deliver_also(route, &part.flag, delivery, registry)
    })
}

/// The words of every occurrence of a flag.
fn parts(flag: &str, id: &str, matches: Option<&ArgMatches>) -> Result<Vec<Part>, Error> {
    let Some(occurrences) = matches.and_then(|matches| matches.get_occurrences::<String>(id)) else {
        return Ok(Vec::new());
    };
    occurrences.map(|words| delivery_words(flag, &words.cloned().collect::<Vec<_>>())).collect()
}
