//! The store over real databases: files, a server of our own, processes that are killed.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test whose stage cannot be set has failed"
)]

mod files;
mod killed;
mod log;
mod nodes;
mod released;
mod server;
mod suite;
mod support;
mod tampered;
mod together;
