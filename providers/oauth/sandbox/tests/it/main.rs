//! The emulated parties through their routers, as clients see them.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod accepted;
mod any;
mod client;
mod control;
mod faults;
mod many;
mod neighbour;
mod refused;
mod resource;
mod support;
mod wire;
