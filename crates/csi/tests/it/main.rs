//! The driver over its socket: with a kernel that a test decides about, and with the real one in a mount namespace of its own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test whose stage cannot be set has failed"
)]

mod identity;
mod kernel;
mod namespace;
mod publish;
mod refusals;
mod start;
mod support;
