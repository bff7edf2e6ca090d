//! What is stored, and what can be done to it.
//!
//! Times are kept to the microsecond. A revision is the store's own count: every change of an entry, an object, a key, a
//! node, a join token, or a token's revocation takes the next one, so that no two rows share one.

mod clock;
mod op;
mod rows;
mod tokens;

pub use clock::StoreClock;
pub use op::{Commit, Committed, Conflict, ConflictReason, Expect, Op};
pub use rows::{JoinTokenRow, KeyRow, NodeRow, Object, ObjectKind, Row, TokenRow};
pub use tokens::{TokenFilter, TokenState};
