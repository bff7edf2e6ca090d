//! What the authority remembers: SQLite or PostgreSQL, one trait, one audit chain.
//!
//! Everything is written by one call, [`Store::commit`]: the effects and the audit record of one decision in one
//! transaction, durable when the call returns. A commit whose condition does not hold (a key used before, a token used
//! up, a revision that has moved on) has no effect and says so; the record of its refusal is written in its place.
//!
//! ```
//! use carnet_store::{AuditRecord, Commit, Committed, Op, Options, Outcome, open};
//! # use jiff::Timestamp;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let now = Timestamp::from_second(1_795_262_400)?;
//! let store = open("sqlite::memory:", Options::default()).await?;
//! let once = || Commit {
//!     ops: vec![Op::UseOnce { key: [7; 32], until: now }],
//!     audit: AuditRecord::new(now, "token.exchange", Outcome::Allowed),
//!     refused: Some(AuditRecord::new(now, "token.exchange", Outcome::Refused)),
//! };
//! assert!(matches!(store.commit(once()).await?, Committed::Done { .. }));
//! assert!(matches!(store.commit(once()).await?, Committed::Conflict(_)));
//! assert_eq!(store.audit_head().await?.seq, 2); // the refusal is on record, too
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod apply;
mod audit;
mod backend;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod migrate;
mod model;
mod open;
mod postgres;
mod reads;
mod setting;
mod sql;
mod sqlite;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;

pub use audit::{
    AuditBreak, AuditFilter, AuditHead, AuditRecord, AuditRow, AuditVerdict, Outcome, export_audit, verify_audit,
};
pub use error::StoreError;
pub use model::{
    Commit, Committed, Conflict, ConflictReason, Expect, JoinTokenRow, KeyRow, NodeRow, Object, ObjectKind, Op, Row,
    StoreClock, TokenFilter, TokenRow, TokenState,
};
pub use open::{Options, open};
pub use setting::settle;
pub use store::Store;
pub use tls::{ByteStream, TlsConnector};
