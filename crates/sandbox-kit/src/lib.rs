//! What every emulator is made of.
//!
//! An emulator is a set of [`Service`]s (an axum router each) over a shared [`World`]: one clock that can be moved, one
//! list of faults that can be switched on, one HTTP client that knows the clouds' real host names and never leaves
//! loopback. `carnet-sandbox` gives each service its ports and its certificate, and puts the faults around it that
//! are the same for all; an emulator does [`FaultKind::Expired`] and [`Emulator::rotate_keys`] itself and asks
//! [`World::now`] for the time.
//!
//! It is not a server and knows no provider.
//!
//! ```
//! use axum::{Router, routing::get};
//! use carnet_sandbox_kit::{Host, Service};
//!
//! let router = Router::new().route("/hello", get(|| async { "hello" }));
//! let service = Service::new("example", [Host::Between("hello.", ".example.com")], router);
//! assert!(service.hosts[0].matches("hello.us-east-1.example.com"));
//! ```

mod clock;
mod decisions;
mod fault;
mod internet;
mod key;
mod service;
mod shown;
mod world;

pub use clock::SandboxClock;
pub use decisions::{Decided, Decisions};
pub use fault::{Fault, FaultKind, Faults, UnknownFault};
pub use internet::Internet;
pub use key::LazyKey;
pub use service::{Emulator, ErrorBody, ErrorHead, Host, KeyMaker, PlainHttp, Service, ServiceUrls, Urls};
pub use shown::ShownCertificates;
pub use world::World;
