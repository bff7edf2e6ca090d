//! The client and the listeners against real sockets on loopback.
#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

mod behind;
mod certificate_files;
mod challenge;
mod client;
mod core;
mod dialer;
mod guard;
mod http2;
mod mutual;
mod proxy;
mod server;
mod support;
mod tls;
mod unix;
mod users;
