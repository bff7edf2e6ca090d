//! Every source, exchange and delivery against the sandbox, which reads the requests on its own and verifies them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test whose stage cannot be set has failed")]

mod crossing;
mod oke;
mod oke_tls;
mod refusal;
mod support;
