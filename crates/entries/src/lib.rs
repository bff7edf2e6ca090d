//! Registration entries, the nodes that may serve them, and the authority's half of the agent protocol.
//!
//! [`Entries`] are kept in the store and looked up in memory; [`Nodes`] are the agents; [`node_router`] is what agents talk
//! to. Whoever asks for a change is named by [`By`], and has been let in by somebody else.

mod by;
mod entries;
mod file;
mod issue;
mod mint;
mod nodes;
mod router;

pub use by::By;
pub use entries::{API, Draft, Entries, EntriesParts, EntryError, Filter, MAX_PAGE, Owned};
pub use file::{Applied, EntryFile, FileEntry, FollowedFile, MAX_FILE};
pub use mint::{Mint, MintJwt, MintX509, Minted, MintedJwt};
pub use nodes::{Agent, JoinToken, JoinTokenDraft, Nodes, NodesParts};
pub use router::{NodeApi, node_router};
