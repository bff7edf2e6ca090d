//! The client and the listeners against real sockets on loopback.
#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

mod client;
mod guard;
mod proxy;
mod server;
mod support;
mod tls;
