//! What the commands that run on have in common: their section, their signals, the end.

use std::{path::PathBuf, sync::Arc};

use carnet_agent::AgentConfig;
use carnet_authority::AuthorityConfig;
use carnet_core::{Context, Error, SectionConfig};
use carnet_discovery::DiscoveryConfig;
use carnet_operator::OperatorConfig;
use carnet_ops::{Signal, Signals, systemd};
use carnet_route::{Config, Registry};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::args::Global;

/// Everything that can stand in the configuration: routes, and the sections of the services.
pub(super) fn registry() -> Registry {
    Registry::standard()
        .with_section::<AuthorityConfig>()
        .with_section::<AgentConfig>()
        .with_section::<DiscoveryConfig>()
        .with_section::<OperatorConfig>()
}

/// The section of a service.
///
/// # Errors
/// When there is no configuration, or not this section in it, or something is wrong with any of it.
pub(super) fn section<C: SectionConfig>(global: &Global, context: &Context) -> Result<Arc<C::Checked>, Error> {
    let name = C::NAME;
    let config = Config::load(global.config.as_deref(), &registry(), context)?;
    let config = config.ok_or_else(|| {
        let error = Error::configuration(format!("find the section [{name}]: there is no configuration"))
            .hint("write carnet.toml, set CARNET_CONFIG, or name a file with --config");
        match name {
            AuthorityConfig::NAME => error.hint("to try it without any configuration: carnet authority --dev"),
            _ => error,
        }
    })?;
    config.section::<C>().ok_or_else(|| {
        let place = config.path().map_or_else(|| "the configuration".to_owned(), |path| path.display().to_string());
        Error::configuration(format!("find the section [{name}]: it does not stand in {place}"))
            .hint("`carnet config schema` describes what can stand in it")
    })
}

/// What tells a service when to stop and when to read its files again, after which it says [`systemd::reloaded`].
pub(super) struct Orders {
    pub(super) shutdown: CancellationToken,
    pub(super) reload: watch::Receiver<u64>,
}

/// Follows the signals of this process, and with `stop_with_stdin` the end of standard input.
///
/// # Errors
/// When the system refuses.
pub(super) fn orders(stop_with_stdin: bool) -> Result<Orders, Error> {
    let mut signals = Signals::listen()?;
    let (asked, reload) = watch::channel(0);
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        loop {
            let signal = tokio::select! {
                signal = signals.next() => signal,
                () = super::sandbox::end_of_input(), if stop_with_stdin => Signal::Stop,
            };
            match signal {
                Signal::Stop => {
                    systemd::stopping();
                    return stop.cancel();
                }
                Signal::Reload => {
                    systemd::reloading();
                    asked.send_modify(|count| *count += 1);
                }
            }
        }
    });
    tokio::spawn(systemd::watchdog(shutdown.clone()));
    Ok(Orders { shutdown, reload })
}

/// A folder for a trial: the one that was named, or one that vanishes with this.
pub(super) enum Folder {
    Named(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Folder {
    /// # Errors
    /// When it cannot be made, or others may look into it.
    pub(super) fn open(named: Option<PathBuf>) -> Result<Self, Error> {
        use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
        let Some(path) = named else {
            let parent = crate::world::temporary_folder();
            let made = tempfile::Builder::new().prefix("carnet-dev-").tempdir_in(&parent);
            let failed = |error| Error::configuration(format!("make a folder in {}", parent.display())).because(error);
            return made.map(Self::Temporary).map_err(failed);
        };
        let failed = |error| Error::configuration(format!("use the folder {}", path.display())).because(error);
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let path = path.canonicalize().map_err(failed)?;
        if std::fs::metadata(&path).map_err(failed)?.mode() & 0o077 != 0 {
            return Err(Error::configuration(format!("use the folder {}: others may look into it", path.display()))
                .hint(format!("chmod 700 {}", path.display())));
        }
        Ok(Self::Named(path))
    }

    pub(super) fn path(&self) -> &std::path::Path {
        match self {
            Self::Named(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
