//! The key manager over a real store.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod admin;
mod life;
mod nodes;
mod simulation;
mod support;
mod token;
mod upstream;
mod wrong_clock;
