//! Generated protobuf and gRPC code, and the client of the SPIFFE Workload API.
//!
//! The messages, clients and server traits under [`spiffe_workload`], [`grpc`], [`envoy`], [`google`] and [`spire`] are made
//! from `proto/` by `cargo xtask codegen` and checked in. They carry the names of their protobuf packages.
//! Maps are ordered, so that equal answers are equal bytes.
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
mod redacted;

pub use generated::{envoy, google, grpc, spiffe_workload, spire};
pub use {prost, prost_types, tonic};
