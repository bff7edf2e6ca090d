//! The agent's promises: what changes arrives at once, what it has it serves while the authority is away, and pods find its
//! socket in a volume.

mod attest;
mod away;
mod csi;
mod push;
mod watch;

pub(crate) use away::{Node, entry};
pub(crate) use watch::Watch;
