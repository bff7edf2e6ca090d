//! Entries, nodes and the calls of agents, on a real store with a real issuer.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test whose stage cannot be set has failed")]

mod authorized;
mod changes;
mod door;
mod file;
mod nodes;
mod routes;
mod support;
mod together;
