//! The agent on a real socket, before an authority whose doings a test decides.

mod attestation;
mod away;
mod calls;
mod push;
mod support;
mod validate;
