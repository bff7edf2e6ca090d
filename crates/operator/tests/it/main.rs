//! The operator against the API servers of the sandbox, over TLS, and a real authority.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as tests, and definitions that are written are nobody's credentials"
)]

mod authority;
mod bounds;
mod csi;
mod definitions;
mod gate;
mod namespaces;
mod registrars;
mod registrations;
mod server;
mod support;
mod workloads;
