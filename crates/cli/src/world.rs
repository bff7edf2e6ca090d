//! The real world: the context of this process, its runtime, its log.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use carnet_core::{Context, Environment as _, Error, SystemEnvironment, redacted};
use carnet_ops::{OpenTelemetryLayer, Telemetry, TelemetrySettings};
use carnet_route::EnvVars;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, layer::SubscriberExt as _, reload};

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

/// Logs to standard error what the filter asks for. Without one a command is silent, and a service says what an operator
/// wants to know.
///
/// # Errors
/// [`carnet_core::ErrorKind::Configuration`] when the filter cannot be read: whoever asked for a log and gets none looks in
/// the wrong place.
pub(crate) fn start_logging(flag: Option<&str>, service: bool) -> Result<(), Error> {
    let (filter, place) = match (flag, SystemEnvironment.get(EnvVars::LOG)) {
        (Some(filter), _) => (filter.to_owned(), "--log"),
        (None, Some(filter)) => (filter, EnvVars::LOG),
        (None, None) if service => (SERVICE_LOG.to_owned(), "the service"),
        (None, None) => return Ok(()),
    };
    let parsed = EnvFilter::builder().parse(&filter).map_err(|error| {
        Error::configuration(format!("read the log filter {:?} of {place}", carnet_core::safe_text(&filter)))
            .because(error)
            .hint("write a level (error, warn, info, debug, trace), or levels of parts: info,carnet_net=trace")
    })?;
    let (traces, handle) = reload::Layer::new(None);
    let lines = tracing_subscriber::fmt::layer().with_writer(|| Talk).with_target(true).with_filter(parsed);
    // Only this binary sets a subscriber, once; a second one would be a mistake that loses logs, not credentials.
    drop(tracing::subscriber::set_global_default(tracing_subscriber::registry().with(traces).with(lines)));
    drop(TRACES.set(handle));
    Ok(())
}

/// Standard error, without the secrets that slipped into a line: each write is a whole one.
struct Talk;

impl io::Write for Talk {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::Write::write_all(&mut io::stderr(), redacted(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::Write::flush(&mut io::stderr())
    }
}

/// What a service logs unless it is told otherwise.
const SERVICE_LOG: &str = "info";

/// Where spans go besides the log. Set once a service has read where.
type Traces = Option<OpenTelemetryLayer>;

static TRACES: OnceLock<reload::Handle<Traces, Registry>> = OnceLock::new();

/// Sends the spans of this process to a collector, from now on. The export ends with [`Telemetry::shutdown`].
///
/// # Errors
/// When the exporter cannot be built.
pub(crate) fn export_traces(settings: &TelemetrySettings, context: &Context) -> Result<Telemetry, Error> {
    let telemetry = Telemetry::start(settings, Arc::clone(&context.http))?;
    if let Some(handle) = TRACES.get() {
        let layer = telemetry.layer();
        handle
            .modify(|traces| *traces = Some(layer))
            .map_err(|error| Error::internal("export traces").because(error))?;
    }
    Ok(telemetry)
}
