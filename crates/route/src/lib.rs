//! Configuration to routes to credentials: the ordered list of providers, and the library to embed.
pub mod config;
mod env;
mod keep;
mod registry;
mod route;
mod suggest;
pub mod system;
#[cfg(test)]
mod testing;

pub use config::{Config, ConfigError, Part, RouteSpec};
pub use env::{EnvVar, EnvVars};
pub use keep::keep;
pub use registry::{Entry, Registry, Role, Unknown};
pub use route::{Auto, Hop, Identity, Looked, Misfit, Route, RouteFailure, RouteRun, Start, Step, find_all};
pub use suggest::suggest;
