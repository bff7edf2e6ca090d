//! The identity domain through its router: nothing here shares code with the emulator but the JOSE crate.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what the tests share is not inside a test function"
)]

mod access;
mod administration;
mod exchange;
mod issuer;
mod resources;
mod set_up;
mod support;
