//! The emulated server through its router, as clients see it.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod any;
mod behaviour;
mod cert;
mod identity;
mod kubernetes;
mod kv;
mod leases;
mod login;
mod many;
mod namespaces;
mod paths;
mod refusals;
mod roots;
mod server;
mod support;
mod system;
mod token_roles;
mod tokens;
mod tuning;
