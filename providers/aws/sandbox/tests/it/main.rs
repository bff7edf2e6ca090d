//! The emulated services through their routers, as clients see them.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod any;
mod assume_role;
mod conditions;
mod documents;
mod endpoints;
mod faults;
mod iam;
mod imds;
mod many;
mod pods;
mod roles_anywhere;
mod s3;
mod signatures;
mod support;
mod token;
mod web_identity;
