//! The emulated API servers through their routers.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod access;
mod any;
mod objects;
mod requests;
mod reviews;
mod support;
