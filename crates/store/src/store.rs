//! The one trait.

use std::fmt;

use carnet_core::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    AuditFilter, AuditHead, AuditRow, Commit, Committed, JoinTokenRow, KeyRow, NodeRow, Object, ObjectKind, Row,
    StoreClock, StoreError, TokenFilter, TokenRow,
};

/// What one call on the store comes to.
type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// What the authority remembers. Reads see every commit that was answered before they began.
///
/// Pages: `limit` is at most 10,000 rows, and a larger one is taken as that; a page shorter than its limit is the last.
pub trait Store: Send + Sync + fmt::Debug {
    /// Writes the effects and the record; durable when it resolves. A future that is dropped does not undo it.
    fn commit(&self, commit: Commit) -> Answer<'_, Committed>;

    /// Entries that are not deleted, by name, those after `after`.
    fn entries(&self, after: Option<String>, limit: usize) -> Answer<'_, Vec<Row>>;

    /// Entries changed and deleted after this revision, in the order of their revisions. To go on, ask for those after the
    /// last row's. From revision 0 it tells all there is.
    ///
    /// # Errors
    /// [`StoreError::TooOld`] when tombstones after this revision were pruned.
    fn entries_since(&self, revision: u64, limit: usize) -> Answer<'_, Vec<Row>>;

    /// One entry, unless it is deleted.
    fn entry(&self, id: String) -> Answer<'_, Option<Row>>;

    /// All objects of a kind, by name.
    fn objects(&self, kind: ObjectKind) -> Answer<'_, Vec<Object>>;

    /// One object.
    fn object(&self, kind: ObjectKind, name: String) -> Answer<'_, Option<Object>>;

    /// All signing keys, oldest first.
    fn keys(&self) -> Answer<'_, Vec<KeyRow>>;

    /// Nodes by SPIFFE ID, those after `after`.
    fn nodes(&self, after: Option<String>, limit: usize) -> Answer<'_, Vec<NodeRow>>;

    /// One node.
    fn node(&self, id: String) -> Answer<'_, Option<NodeRow>>;

    /// Join tokens that are good at this time, those that expire first at the front; at most 10,000.
    fn join_tokens(&self, now: Timestamp) -> Answer<'_, Vec<JoinTokenRow>>;

    /// The join token with this digest, if it is good at this time.
    fn join_token(&self, hash: [u8; 32], now: Timestamp) -> Answer<'_, Option<JoinTokenRow>>;

    /// One token, expired and revoked ones too, until they are pruned.
    fn token(&self, id: String) -> Answer<'_, Option<TokenRow>>;

    /// Tokens by `jti`, those after `after` that pass the filter. Each page goes through the rows from there on: of many
    /// tokens a filter that few pass takes its time.
    fn tokens(&self, filter: TokenFilter, after: Option<String>, limit: usize) -> Answer<'_, Vec<TokenRow>>;

    /// Audit rows that come after `after` in the chain and pass the filter.
    fn audit(&self, after: u64, limit: usize, filter: AuditFilter) -> Answer<'_, Vec<AuditRow>>;

    /// The same from the end of the chain, or from the row before `before`: the newest first.
    fn audit_newest(&self, before: Option<u64>, limit: usize, filter: AuditFilter) -> Answer<'_, Vec<AuditRow>>;

    /// The end of the audit chain.
    fn audit_head(&self) -> Answer<'_, AuditHead>;

    /// Removes what has been of no use for an hour: keys that were used once, dead tokens, join tokens; and tombstones older
    /// than a week. Never audit rows. Answers how many. To be called every few minutes.
    ///
    /// The caller's clock is not believed at once: with each call the time that the store goes by moves on by 20 minutes at
    /// most, and a caller whose clock is behind takes it back. So a clock that jumps ahead deletes nothing that is good by the
    /// clocks of others; and where one stays ahead, keys that were deleted cannot be used again: what was to be remembered no
    /// longer than the last of them is refused. A store that began with a clock that was wrong by years takes months to come
    /// round: [`Store::clock`] tells, and [`crate::Op::BelieveClock`] ends it.
    fn prune(&self, now: Timestamp) -> Answer<'_, u64>;

    /// The time that it goes by when it forgets, and up to where it may have forgotten keys.
    fn clock(&self) -> Answer<'_, StoreClock>;

    /// The store's revision, whenever it is seen to have changed, by another node too. What is on every exchange's way does
    /// not change it: [`crate::Op::UseOnce`], [`crate::Op::InsertToken`], [`crate::Op::UseToken`].
    fn changes(&self) -> watch::Receiver<u64>;

    /// Whether it can write now. After a commit that was not stored it is ready only when it has written as much as a commit.
    fn check(&self) -> Answer<'_, ()>;

    /// Finishes what waits, then closes. Every later call is answered [`StoreError::Closed`].
    fn close(&self) -> BoxFuture<'_, ()>;

    /// How many transactions with commits in them this store has made durable since it was opened.
    fn transactions(&self) -> u64;
}
