//! The one question: may this token become that principal?
//!
//! Each provider's trust is plain data with a pure function that returns a [`Decision`]. The same function serves the
//! emulator (to accept and refuse), the doctor (to explain), the linter (to warn) and the authority (its own rules).
//! This crate holds what they share and no provider's rules: the decision, claim matching, CEL within bounds.

mod cel;
mod decision;
mod pattern;

pub use cel::{CelError, CelErrorKind, Expression};
pub use decision::{Decision, Grant, Refusal, Warning};
pub use pattern::Glob;
