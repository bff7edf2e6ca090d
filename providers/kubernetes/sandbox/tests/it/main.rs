//! The emulated API servers through their routers.
#![expect(
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod access;
mod any;
mod applied;
mod definitions;
mod going;
mod objects;
mod requests;
mod reviews;
mod roles;
mod support;
mod watches;
