//! Every source to every cloud that can trust it, in one sandbox whose clouds trust each other's machines, two CI systems and
//! a trust domain of this machine. What carnet delivered is used by each cloud's own library; and from each source the same
//! bent in one place is refused: a token for somebody else, or somebody else at the same issuer.

mod proofs;
mod scene;
mod sources;
mod targets;
