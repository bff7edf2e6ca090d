//! Generated protobuf and gRPC code, and the client of the SPIFFE Workload API.
//!
//! The messages, clients and server traits under [`spiffe_workload`], [`grpc`], [`csi`], [`envoy`], [`google`] and [`spire`] are
//! made from `proto/` by `cargo xtask codegen` and checked in. They carry the names of their protobuf packages.
//! Maps are ordered, so that equal answers are equal bytes.
//!
//! [`WorkloadApi`] is a client of the SPIFFE Workload API, [`BundleApi`] one of SPIRE's server API, [`is_serving`] asks a server how
//! it is, [`with_reflection`] adds server reflection to a server's routes. Crates that serve take `tonic` from here and implement the generated traits.
//!
//! This crate knows nothing of SPIFFE IDs, certificates or keys: what it returns are strings and bytes.

#[allow(
    missing_docs,
    missing_debug_implementations,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code is not written in the style of the house, and which of these it breaks changes"
)]
mod generated;

mod bundle;
mod codec;
mod connection;
mod endpoint;
mod health;
mod redacted;
mod reflection;
mod workload;

pub use bundle::{BundleApi, JwtAuthority, ServerBundle, X509Authority};
pub use endpoint::{ENDPOINT_VARIABLE, Endpoint};
pub use generated::{csi, envoy, google, grpc, spiffe_workload, spire};
pub use health::is_serving;
pub use reflection::with_reflection;
pub use workload::{
    JwtBundles, JwtSvid, SECURITY_HEADER, State, ValidatedJwtSvid, Watch, WorkloadApi, X509Bundles, X509Context,
    X509Svid,
};
pub use {prost, prost_types, tonic};
