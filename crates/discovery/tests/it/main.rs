//! The documents, the federation client, the sources and the service, over real sockets.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test whose stage cannot be set has failed, and its files are nobody's credentials"
)]

mod acme;
mod config;
mod documents;
mod export;
mod external_account;
mod federation;
mod limits;
mod reload;
mod router;
mod serve;
mod source;
mod support;
