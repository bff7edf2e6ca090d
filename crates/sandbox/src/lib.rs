//! Starts the emulated clouds on loopback.
//!
//! [`Sandbox::start`] gives each service of each emulator a plain and a TLS port of its own, makes a certificate
//! authority, and starts two more listeners: a proxy that answers for the clouds' real host names and refuses every
//! other, and a control API that moves the clock and switches faults on. Nothing here ever connects to anything:
//! what the proxy does not answer itself it refuses, and the emulators' own HTTP client calls their routers directly.
//!
//! ```no_run
//! # async fn example() -> Result<(), carnet_core::Error> {
//! use std::sync::Arc;
//!
//! use carnet_core::{SystemClock, SystemRandom};
//! use carnet_sandbox::{Flavour, Options, Sandbox};
//!
//! let sandbox = Sandbox::start(Options::default(), Arc::new(SystemClock), Arc::new(SystemRandom)).await?;
//! for (name, value) in sandbox.environment(Flavour::Proxy).await? {
//!     println!("{name}={value}");
//! }
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```

mod certificates;
mod control;
mod emulators;
mod environment;
mod faults;
mod folder;
mod in_process;
mod inner;
mod proxy;
mod routes;
mod sandbox;
mod seed;
mod warm;

pub use carnet_ci_sandbox::{Flaw, Issuer, MintRequest};
pub use carnet_sandbox_kit::{Fault, FaultKind, Host, LazyKey, Service, ServiceUrls, Urls};
pub use emulators::Emulators;
pub use environment::Flavour;
pub use sandbox::{Options, Sandbox};
pub use seed::{aws, azure, ci, gcp, infisical, kubernetes, oauth, oci, seed, vault};
