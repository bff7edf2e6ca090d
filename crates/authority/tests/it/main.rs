//! The authority over real stores and real sockets.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod admin;
mod again;
mod cluster;
mod config;
mod public;
mod rules;
mod taint;
