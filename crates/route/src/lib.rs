//! Configuration to routes to credentials: the ordered list of providers, and the library to embed.
//!
//! A [`Registry`] knows every source, exchange and delivery by name. A [`Config`] (one TOML file) or a [`RouteSpec`]
//! (words of the command line) becomes [`Route`]s whose kinds fit. A route is run in a [`carnet_core::Context`] and gives
//! a credential with a report of every hop; [`keep`] runs routes again before their credentials end; [`Route::release`]
//! gives back what nobody needs any more.
//!
//! What it is not: it speaks no protocol of any cloud (the providers do) and has no HTTP client (the caller brings one).
//!
//! ```
//! use std::sync::Arc;
//! use carnet_core::{Context, Kind, MapEnvironment, test_context};
//! use carnet_route::{Config, Registry};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A program takes `carnet_route::system::context(http)`.
//! let environment = Arc::new(MapEnvironment::of(&[("JOB_TOKEN", "opaque")]));
//! let context = Context { environment, ..test_context() };
//!
//! let text = r#"
//!     version = 1
//!     [route.job]
//!     source = { env = { variable = "JOB_TOKEN" } }
//! "#;
//! let config = Config::parse(text, None, &Registry::standard(), &*context.environment)?;
//! let run = config.route("job")?.run(&context).await.map_err(carnet_core::Error::from)?;
//! assert_eq!(run.credential.kind(), Kind::AccessToken);
//! assert_eq!(run.hops[0].step.to_string(), "source env");
//! # Ok(())
//! # }
//! ```

mod config;
mod env;
mod keep;
mod registry;
mod route;
mod suggest;
pub mod system;
#[cfg(test)]
mod testing;

pub use config::{Config, ConfigError, Origin, Part, Place, Problem, RouteSpec, Setting, before_sign, schema};
pub use env::{EnvVar, EnvVars};
pub use keep::keep;
pub use registry::{Entry, Registry, Role, Unknown};
pub use route::{Auto, Hop, Identity, Looked, Misfit, Route, RouteFailure, RouteRun, Start, Step, find_all};
pub use suggest::suggest;
