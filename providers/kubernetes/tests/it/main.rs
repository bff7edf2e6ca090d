//! The client against the emulator: they share no wire code, so each reads the documents for itself.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

mod pod;
mod relying;
mod support;
