//! The agent's promises: what changes arrives at once, and what it has it serves while the authority is away.

mod attest;
mod away;
mod push;
mod watch;

pub(crate) use away::{Node, entry};
pub(crate) use watch::Watch;
