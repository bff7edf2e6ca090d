//! One TOML file, or a few words on the command line, read into routes.
//!
//! Everything that is wrong is reported at once, each with its place and what to do about it. What the file does not
//! say is not guessed: unknown fields are refused, variables are expanded only where `${NAME}` stands, and the values
//! of secret fields may only come from such a variable.

mod anchors;
mod error;
mod expand;
mod file;
mod find;
mod lines;
pub(crate) mod mask;
mod parts;
mod refresh;
mod schema;
mod section;
mod show;
mod tree;
mod unparsed;
mod words;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_core::{Context, Environment, Error, Files, SectionConfig, as_text};

pub use carnet_core::Place;
pub use error::{ConfigError, Problem};
pub use parts::{Part, RouteSpec, before_sign};
pub use schema::schema;
pub use show::{Origin, Setting};

use crate::{Registry, Route, registry::Section, suggest};

/// Bounds on what is read. A configuration is written by hand or by a template; more than this is another file.
pub(crate) mod limits {
    /// Bytes in the file.
    pub(crate) const FILE: usize = 1 << 20;
    /// Routes in one file.
    pub(crate) const ROUTES: usize = 1000;
    /// Letters in a route's name, which becomes part of file names and log lines.
    pub(crate) const NAME: usize = 64;
    /// Mistakes that are reported for one section.
    pub(crate) const MISTAKES: usize = 50;
    /// Mistakes that are looked for at all: one more than is reported, so that it can be said that there are more.
    pub(crate) const COLLECTED: usize = REPORTED + 1;
    /// Mistakes that are reported to programs.
    pub(crate) const REPORTED: usize = 1000;
    /// Mistakes that are shown to people.
    pub(crate) const SHOWN: usize = 20;
}

/// The version of the file format that this build reads.
pub(crate) const VERSION: i64 = 1;

/// A configuration that was read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    path: Option<PathBuf>,
    routes: Vec<Route>,
    sections: Vec<(&'static str, Arc<Section>)>,
    settings: Vec<Setting>,
}

impl Config {
    /// Finds the configuration and reads it. The first of these counts: `flag`, the variable `CARNET_CONFIG`,
    /// `./carnet.toml`, `$XDG_CONFIG_HOME/carnet/carnet.toml` (or `~/.config/carnet/carnet.toml`) and
    /// `/etc/carnet/carnet.toml`. `None` when there is none; a file that was named must exist.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(flag: Option<&Path>, registry: &Registry, context: &Context) -> Result<Option<Self>, ConfigError> {
        match find::find(flag, context)? {
            Some((path, bytes)) => Self::from_bytes(&bytes, Some(&path), registry, &*context.environment).map(Some),
            None => Ok(None),
        }
    }

    /// Reads this file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(
        path: &Path,
        registry: &Registry,
        environment: &dyn Environment,
        files: &dyn Files,
    ) -> Result<Self, ConfigError> {
        let bytes = find::read_named(path, "", files)?;
        Self::from_bytes(&bytes, Some(path), registry, environment)
    }

    /// Reads this text. `path` is what errors call it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(
        text: &str,
        path: Option<&Path>,
        registry: &Registry,
        environment: &dyn Environment,
    ) -> Result<Self, ConfigError> {
        let file::Content { routes, sections, settings } = file::read(text, path, registry, environment)?;
        Ok(Self { path: path.map(Path::to_owned), routes, sections, settings })
    }

    /// Reads these bytes: the whole of what stands between a file and its routes, for fuzzing.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn from_bytes(
        bytes: &[u8],
        path: Option<&Path>,
        registry: &Registry,
        environment: &dyn Environment,
    ) -> Result<Self, ConfigError> {
        let text = as_text(bytes).map_err(|error| find::not_text(path, error))?;
        Self::parse(text, path, registry, environment)
    }

    /// Where it was read from.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Its routes, in the order of the file.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The section of this service, if it stands in the file and the registry knows it.
    pub fn section<C: SectionConfig>(&self) -> Option<Arc<C::Checked>> {
        let (_, section) = self.sections.iter().find(|(name, _)| *name == C::NAME)?;
        Arc::clone(section).downcast().ok()
    }

    /// The route of this name.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] with the names there are.
    pub fn route(&self, name: &str) -> Result<&Route, Error> {
        self.routes.iter().find(|route| route.name() == name).ok_or_else(|| {
            let place = self.path.as_deref().map(|path| format!(" in {}", path.display())).unwrap_or_default();
            let names: Vec<&str> = self.routes.iter().map(Route::name).collect();
            let hint = match suggest(name, names.iter().copied()) {
                Some(close) => format!("did you mean `{close}`?"),
                None if names.is_empty() => "the configuration has no route".to_owned(),
                None => format!("there are: {}", names.join(", ")),
            };
            let name = carnet_core::safe_text(before_sign(name));
            Error::configuration(format!("find the route `{name}`{place}")).hint(hint)
        })
    }

    /// Every value that counts, and where it came from. Secrets are masked.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}
