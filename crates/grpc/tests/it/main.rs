//! The clients against real servers over real sockets, and the messages against bytes that were written by hand.
#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

mod bundle;
mod connection;
mod csi;
mod health;
mod reflection;
mod refusals;
mod support;
mod watching;
mod wire;
mod workload;
