//! Refusals in the audit, without letting a stranger fill the disk.
//!
//! Every refusal is a row, up to [`crate::IssuerSettings::refusals_per_second`] of one peer (ten times as many at once). What comes beyond is counted and
//! answered all the same; the count is in the peer's next row (`details.suppressed`), or in a row of its own (`refusals.suppressed`) when
//! [`Issuer::flush_refusals`] is called. What is allowed is never counted: it has its row, always.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use carnet_core::Error;
use carnet_store::{AuditRecord, Commit, Committed, Op, Outcome};
use jiff::Timestamp;
use serde_json::json;

use crate::{Caller, Issuer};

/// Most peers that are counted one by one. Others share one count.
const MAX_PEERS: usize = 10_000;
/// What peers share when there are too many of them. No address reads like this.
const OTHERS: &str = "others";
/// Refusals at once, in seconds of the rate.
const BURST_SECONDS: u32 = 10;

/// How many refusals each peer had.
#[derive(Debug)]
pub(crate) struct Refusals {
    per_second: u32,
    peers: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    /// Rows that may be written, in thousandths.
    left: u64,
    at: Timestamp,
    suppressed: u64,
}

impl Refusals {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), peers: Mutex::default() }
    }

    /// Whether this refusal is written, and how many before it were not.
    fn take(&self, peer: &str, now: Timestamp) -> Option<u64> {
        let most = u64::from(self.per_second.saturating_mul(BURST_SECONDS)).saturating_mul(1000);
        let mut peers = self.lock();
        if !peers.contains_key(peer) && peers.len() >= MAX_PEERS {
            // Those that are full again and owe nothing are as good as unknown.
            peers.retain(|_, bucket| bucket.suppressed > 0 || self.filled(bucket, now, most) < most);
        }
        let peer = if peers.contains_key(peer) || peers.len() < MAX_PEERS { peer } else { OTHERS };
        let bucket = peers.entry(peer.to_owned()).or_insert(Bucket { left: most, at: now, suppressed: 0 });
        (bucket.left, bucket.at) = (self.filled(bucket, now, most), now);
        let Some(left) = bucket.left.checked_sub(1000) else {
            bucket.suppressed = bucket.suppressed.saturating_add(1);
            return None;
        };
        bucket.left = left;
        Some(std::mem::take(&mut bucket.suppressed))
    }

    fn filled(&self, bucket: &Bucket, now: Timestamp, most: u64) -> u64 {
        // A clock that was set back fills nothing.
        let elapsed = u64::try_from(now.duration_since(bucket.at).as_millis()).unwrap_or(0);
        bucket.left.saturating_add(elapsed.saturating_mul(u64::from(self.per_second))).min(most)
    }

    /// The counts that stand in no row yet; they are zero after.
    fn owed(&self) -> Vec<(String, u64)> {
        let mut peers = self.lock();
        let owing = peers.iter_mut().filter(|(_, bucket)| bucket.suppressed > 0);
        owing.map(|(peer, bucket)| (peer.clone(), std::mem::take(&mut bucket.suppressed))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Bucket>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record with what is known at the beginning.
pub(crate) fn record(action: &str, now: Timestamp, caller: &Caller) -> AuditRecord {
    AuditRecord {
        peer: (!caller.peer.is_empty()).then(|| carnet_core::safe_text(&caller.peer)),
        request_id: carnet_core::safe_text(&caller.request_id),
        ..AuditRecord::new(now, action, Outcome::Allowed)
    }
}

impl Issuer {
    /// Writes that something was issued. It may be given away after.
    ///
    /// # Errors
    /// Those of the store; nothing may be given away then.
    pub(crate) async fn commit_allowed(&self, record: AuditRecord) -> Result<(), Error> {
        match self.commit(Vec::new(), record, None).await? {
            Committed::Done { .. } => Ok(()),
            Committed::Conflict(_) => Err(Error::internal("a commit without effects has a conflict")),
        }
    }

    pub(crate) async fn commit(
        &self,
        ops: Vec<Op>,
        audit: AuditRecord,
        refused: Option<AuditRecord>,
    ) -> Result<Committed, Error> {
        let request_id = audit.request_id.clone();
        self.store().commit(Commit { ops, audit, refused }).await.map_err(|error| {
            tracing::error!(%error, hint = error.hint(), request_id, "the store did not write: nothing is issued");
            Error::from(error)
        })
    }

    /// Writes a refusal down, or counts it. That it cannot be written does not turn it into anything else.
    pub(crate) async fn write_refusal(&self, record: AuditRecord) {
        self.note_refusal(record, Vec::new()).await;
    }

    /// Writes the refusal of somebody else's decision down, with what it uses up, or counts it and uses nothing up: the bound is one for all refusals of a
    /// peer, whoever refuses. That it cannot be written does not turn it into anything else.
    pub async fn note_refusal(&self, mut record: AuditRecord, ops: Vec<Op>) {
        tracing::info!(
            action = record.action, clause = record.clause, rule = record.rule, peer = record.peer,
            request_id = record.request_id, details = %serde_json::Value::Object(record.details.clone()), "refused"
        );
        let peer = record.peer.as_deref().map(Caller::at).unwrap_or_default().counted_as();
        match self.refusals().take(&peer, record.at) {
            None => return,
            Some(0) => {}
            Some(suppressed) => {
                record.details.insert("suppressed".to_owned(), json!(suppressed));
            }
        }
        let refused = (!ops.is_empty()).then(|| record.clone());
        // What went wrong is in the log; the answer is no in any case.
        drop(self.commit(ops, record, refused).await);
    }

    /// Writes the counts of refusals that have no row of their own, one row for each peer that has some. To be called every few seconds and
    /// at the end. Answers how many refusals that were.
    ///
    /// # Errors
    /// Those of the store; the counts that were not written are then in the log only.
    pub async fn flush_refusals(&self) -> Result<u64, Error> {
        let now = self.context().now();
        let mut all = 0_u64;
        for (peer, suppressed) in self.refusals().owed() {
            let mut row = record("refusals.suppressed", now, &Caller::at(peer));
            row.outcome = Outcome::Refused;
            row.details.insert("suppressed".to_owned(), json!(suppressed));
            tracing::info!(peer = row.peer, suppressed, "refusals without a row of their own");
            self.commit_allowed(row).await?;
            all = all.saturating_add(suppressed);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn beyond_the_rate_refusals_are_counted_and_the_next_row_says_so() {
        let refusals = Refusals::new(2);
        let written = (0..50).filter(|_| refusals.take("192.0.2.1", START).is_some()).count();
        assert_eq!(written, 20);
        assert_eq!(refusals.take("192.0.2.2", START), Some(0), "another peer is not meant");
        let later = START + SignedDuration::from_millis(500);
        assert_eq!(refusals.take("192.0.2.1", later), Some(30));
        assert_eq!(refusals.take("192.0.2.1", later), None);
        assert_eq!(refusals.owed(), [("192.0.2.1".to_owned(), 1)]);
        assert!(refusals.owed().is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_allows_nothing_more() {
        let refusals = Refusals::new(1);
        (0..10).for_each(|_| assert!(refusals.take("a", START + SignedDuration::from_secs(60)).is_some()));
        assert_eq!(refusals.take("a", START), None);
    }

    #[test]
    fn peers_beyond_the_bound_share_one_count() {
        let refusals = Refusals::new(1);
        (0..MAX_PEERS).for_each(|peer| assert!(refusals.take(&peer.to_string(), START).is_some()));
        (0..10).for_each(|peer| assert!(refusals.take(&format!("x{peer}"), START).is_some()));
        assert_eq!(refusals.take("y", START), None);
        assert!(refusals.lock().len() <= MAX_PEERS + 1);
        // Ten seconds later all are full again, and forgotten for others.
        assert_eq!(refusals.take("z", START + SignedDuration::from_secs(11)), Some(0));
        assert!(refusals.lock().len() < 10);
    }
}
