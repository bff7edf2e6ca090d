//! Kubernetes: its service accounts, their tokens, and who believes them.
//!
//! Client side (feature `client`): the source `kubernetes` (a projected token, or one that the API server is asked for) and the
//! delivery `kubernetes-exec-credential`. Relying side: [`trust`] is pure; [`relying`] finds a cluster's keys, asks its API server about
//! a token, and says whether it is believed. The authority asks it.
//!
//! It is no client of the Kubernetes API in general: there are token requests, token reviews and the key set.

mod account;
mod api;
mod bound;
mod error;
mod file;
pub mod relying;
mod review;
pub mod trust;

#[cfg(feature = "client")]
mod deliver;
#[cfg(feature = "client")]
mod source;
#[cfg(test)]
mod testing;

pub use account::{AccountPattern, ServiceAccount};
pub use api::{ApiAccess, ApiConfig, ApiServer};
pub use bound::{Bound, Named};
#[cfg(feature = "client")]
pub use deliver::{ExecCredential, ExecVersion};
pub use review::{ReviewedUser, parse_review};
#[cfg(feature = "client")]
pub use source::{Kubernetes, TokenWay};

/// Names the sources and deliveries of this crate.
#[cfg(feature = "client")]
pub fn register(register: &mut impl carnet_core::Register) {
    register.source::<Kubernetes>();
    register.delivery::<ExecCredential>();
}
