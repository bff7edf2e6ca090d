//! The key manager over a real store.

mod life;
mod support;
