//! The signed services through their routers: metadata, auth, identity, object storage, core.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test whose stage cannot be set has failed"
)]

mod auth;
mod identity;
mod instance;
mod proxymux;
mod resource;
mod storage;
mod support;
