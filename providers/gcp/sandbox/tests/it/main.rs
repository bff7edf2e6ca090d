//! The emulated services through their routers, as clients see them.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod any;
mod certs;
mod credentials;
mod deleted;
mod iam;
mod metadata;
mod project;
mod provider_kinds;
mod storage;
mod sts;
mod sts_aws;
mod sts_certificate;
mod support;
mod versions;
