//! The credentials that Oracle gives for others.

pub mod caller;
pub mod domain;
mod federation;
pub mod rpst;
pub mod upst;
