//! The issuer's endpoints over a real store, with keys from the key manager and other issuers played by the network of a
//! test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test whose stage cannot be set has failed; claims are written where they are used"
)]

mod abuse;
mod bound;
mod client;
mod cluster;
mod delegation;
mod discovery;
mod exchange;
mod federated;
mod forwarded;
mod introspection;
mod metadata;
mod network;
mod raced;
mod refused_tokens;
mod renewal;
mod risk;
mod rules;
mod signed;
mod single_use;
mod stateless;
mod support;
mod svid;
mod uses;
mod world;
