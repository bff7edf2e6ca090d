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
pub(crate) fn start_logging(filter: Option<&str>) {
    let Some(filter) = filter.map(ToOwned::to_owned).or_else(|| SystemEnvironment.get(EnvVars::LOG)) else { return };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_target(true)
        .finish();
    // Only this binary sets a subscriber, once; a second one would be a mistake that loses logs, not credentials.
    drop(tracing::subscriber::set_global_default(subscriber));
}
