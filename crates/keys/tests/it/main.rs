//! The key manager over a real store.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod life;
mod support;
mod token;
