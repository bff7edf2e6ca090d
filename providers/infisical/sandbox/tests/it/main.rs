//! The emulated server through its router, as clients see it.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod clouds;
mod identities;
mod login;
mod secrets;
mod support;
mod tokens;
