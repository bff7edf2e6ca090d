//! What every emulator is made of.
//!
//! An emulator is a set of [`Service`]s (an axum router each) over a shared [`World`]: one clock that can be moved, one
//! list of faults that can be switched on, one HTTP client that knows the clouds' real host names and never leaves
//! loopback. `carnet-sandbox` gives each service its ports and its certificate.

mod clock;
mod decisions;
mod fault;
mod key;
mod service;
mod world;

pub use clock::SandboxClock;
pub use decisions::{Decided, Decisions};
pub use fault::{Fault, FaultKind, Faults};
pub use key::LazyKey;
pub use service::{Emulator, Host, Service, ServiceUrls, Urls};
pub use world::World;
