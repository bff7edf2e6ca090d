//! The real world: the context of this process, its runtime, its log.

use std::{path::PathBuf, sync::Arc};

use carnet_core::{Context, Environment as _, Error, SystemEnvironment};
use carnet_route::EnvVars;

/// The context of this process. Costs nothing until it is used.
pub(crate) fn context() -> Context {
    let settings = carnet_net::Settings::from_environment(&SystemEnvironment);
    carnet_route::system::context(Arc::new(carnet_net::Client::new(settings)))
}

/// Where temporary folders are made: `TMPDIR` (POSIX.1-2024, 8.3), otherwise `/tmp`.
pub(crate) fn temporary_folder() -> PathBuf {
    let named =
        SystemEnvironment.get("TMPDIR").map(PathBuf::from).filter(|folder| folder.is_absolute() && folder.is_dir());
    named.unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// Runs a future to its end on one thread: a command waits for the network, it does not compute.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("start the runtime").because(error))?;
    let outcome = runtime.block_on(future);
    // A resolver that does not answer must not hold up the end of the command.
    runtime.shutdown_background();
    outcome
}

/// Logs to standard error what the filter asks for, and nothing at all without one.
///
/// # Errors
/// [`carnet_core::ErrorKind::Configuration`] when the filter cannot be read: whoever asked for a log and gets none looks in
/// the wrong place.
pub(crate) fn start_logging(flag: Option<&str>) -> Result<(), Error> {
    let (filter, place) = match (flag, SystemEnvironment.get(EnvVars::LOG)) {
        (Some(filter), _) => (filter.to_owned(), "--log"),
        (None, Some(filter)) => (filter, EnvVars::LOG),
        (None, None) => return Ok(()),
    };
    let parsed = tracing_subscriber::EnvFilter::builder().parse(&filter).map_err(|error| {
        Error::configuration(format!("read the log filter {:?} of {place}", carnet_core::safe_text(&filter)))
            .because(error)
            .hint("write a level (error, warn, info, debug, trace), or levels of parts: info,carnet_net=trace")
    })?;
    let subscriber =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(parsed).with_target(true).finish();
    // Only this binary sets a subscriber, once; a second one would be a mistake that loses logs, not credentials.
    drop(tracing::subscriber::set_global_default(subscriber));
    Ok(())
}
