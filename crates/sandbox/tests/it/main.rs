//! The sandbox with an emulator made for the test, reached in every way that clients have.
#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

mod clouds;
mod control;
mod environment;
mod faults;
mod life;
mod mutual;
mod proxy;
mod support;
