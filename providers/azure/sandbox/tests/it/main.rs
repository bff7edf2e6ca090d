//! The emulated services through their routers, as clients see them.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod any;
mod assignments;
mod blob;
mod documents;
mod faults;
mod graph;
mod identities;
mod managed;
mod many;
mod refusals;
mod storage;
mod support;
mod token;
