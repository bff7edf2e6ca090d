//! The identity domain through its router: nothing here shares code with the emulator but the JOSE crate.

mod access;
mod administration;
mod exchange;
mod set_up;
mod support;
