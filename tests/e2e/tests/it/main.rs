//! The real binary against real vendor SDKs, on loopback.
//!
//! Needs the release binary (or `CARNET_BIN`) and what `cargo xtask setup` installs. What is missing fails a test; nothing
//! is skipped.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a program of tests: it stands outside and ends with a message"
)]

mod across;
mod agent;
mod authority;
mod aws;
mod azure;
mod bad_input;
mod ci;
mod commands;
mod google;
mod google_setup;
mod harness;
mod infisical;
mod matrix;
mod oracle;
mod oracle_setup;
mod packaging;
mod parties;
mod pods;
mod scene;
mod secrets;
mod spiffe;
mod unchanged;
mod vault;
