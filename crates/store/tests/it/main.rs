//! The store over real databases: files, a server of our own, processes that are killed.
#![expect(clippy::unwrap_used, reason = "a test whose stage cannot be set has failed")]

mod suite;
