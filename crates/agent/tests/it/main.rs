//! The agent on a real socket, before an authority whose doings a test decides.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test whose stage cannot be set has failed"
)]

mod attestation;
mod away;
mod calls;
mod config;
mod diagnostics;
mod https;
mod kept;
mod kubelet;
mod lag;
mod mood;
mod push;
mod sds;
mod shared_looks;
mod support;
mod taint;
mod traces;
mod validate;
