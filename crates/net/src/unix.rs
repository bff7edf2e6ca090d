//! Unix sockets: where they are bound, and who connects to them.

mod peer;
mod socket;

pub use peer::Peer;
pub use socket::UnixSocket;
