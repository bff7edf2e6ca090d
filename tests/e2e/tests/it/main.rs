//! The real binary against real vendor SDKs, on loopback.
//!
//! Needs the release binary (or `CARNET_BIN`) and what `cargo xtask setup` installs. What is missing fails a test; nothing
//! is skipped.

mod bad_input;
mod commands;
mod google;
mod harness;
mod oracle;
mod oracle_setup;
mod secrets;
