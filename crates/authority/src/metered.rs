//! The store, counted: every outcome is one commit, so here is where outcomes are counted.

use std::{sync::Arc, time::Instant};

use carnet_core::BoxFuture;
use carnet_ops::{CounterFamily, HistogramFamily, Metrics};
use carnet_store::{
    AuditFilter, AuditHead, AuditRow, Commit, Committed, JoinTokenRow, KeyRow, NodeRow, Object, ObjectKind, Op,
    Outcome, Row, Store, StoreClock, StoreError, TokenFilter, TokenRow,
};
use jiff::Timestamp;
use tokio::sync::watch;

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Counts what is committed by action and outcome, and how long it takes.
#[derive(Debug)]
pub(crate) struct MeteredStore {
    inner: Arc<dyn Store>,
    decisions: CounterFamily,
    commits: HistogramFamily,
}

impl MeteredStore {
    /// This store, counted in these metrics.
    pub(crate) fn new(inner: Arc<dyn Store>, metrics: &Metrics) -> Self {
        let decisions = metrics.counter(
            "decisions",
            "Audit rows by action and outcome: allowed, refused, failed when nothing was written, or unknown when the store \
             cannot tell.",
            &["action", "outcome"],
        );
        let commits = metrics.histogram("commit_seconds", "How long a commit takes until it is durable.", &[]);
        Self { inner, decisions, commits }
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
    }
}

/// What a commit came to that was not answered with yes or no: only [`StoreError::Unknown`] leaves open whether it was written.
fn unwritten(error: &StoreError) -> &'static str {
    if matches!(error, StoreError::Unknown { .. }) { "unknown" } else { "failed" }
}

impl Store for MeteredStore {
    #[expect(clippy::disallowed_methods, reason = "how long something takes is told by the machine's own clock")]
    fn commit(&self, commit: Commit) -> Answer<'_, Committed> {
        let action = commit.audit.action.clone();
        let wanted = outcome(commit.audit.outcome);
        // A conflict of which nothing is written is told by whoever has it, with a record of its own.
        let traceless = commit.refused.is_none();
        let further = commit.ops.iter().filter_map(|op| match op {
            Op::Audit(row) => Some((row.action.clone(), outcome(row.outcome))),
            _ => None,
        });
        let further: Vec<(String, &str)> = further.collect();
        Box::pin(async move {
            let start = Instant::now();
            let committed = self.inner.commit(commit).await;
            self.commits.with(&[]).observe(start.elapsed());
            let outcome = match &committed {
                Ok(Committed::Done { .. }) => Some(wanted),
                Ok(Committed::Conflict(_)) if traceless => None,
                Ok(Committed::Conflict(_)) => Some("refused"),
                Err(error) => Some(unwritten(error)),
            };
            if let Some(outcome) = outcome {
                self.decisions.with(&[&action, outcome]).increment();
            }
            // A conflict leaves nothing of them.
            if !matches!(committed, Ok(Committed::Conflict(_))) {
                for (action, wanted) in &further {
                    let outcome = committed.as_ref().map_or_else(unwritten, |_| *wanted);
                    self.decisions.with(&[action, outcome]).increment();
                }
            }
            committed
        })
    }

    fn entries(&self, after: Option<String>, limit: usize) -> Answer<'_, Vec<Row>> {
        self.inner.entries(after, limit)
    }

    fn entries_since(&self, revision: u64, limit: usize) -> Answer<'_, Vec<Row>> {
        self.inner.entries_since(revision, limit)
    }

    fn entry(&self, id: String) -> Answer<'_, Option<Row>> {
        self.inner.entry(id)
    }

    fn objects(&self, kind: ObjectKind) -> Answer<'_, Vec<Object>> {
        self.inner.objects(kind)
    }

    fn object(&self, kind: ObjectKind, name: String) -> Answer<'_, Option<Object>> {
        self.inner.object(kind, name)
    }

    fn keys(&self) -> Answer<'_, Vec<KeyRow>> {
        self.inner.keys()
    }

    fn nodes(&self, after: Option<String>, limit: usize) -> Answer<'_, Vec<NodeRow>> {
        self.inner.nodes(after, limit)
    }

    fn node(&self, id: String) -> Answer<'_, Option<NodeRow>> {
        self.inner.node(id)
    }

    fn join_tokens(&self, now: Timestamp) -> Answer<'_, Vec<JoinTokenRow>> {
        self.inner.join_tokens(now)
    }

    fn join_token(&self, hash: [u8; 32], now: Timestamp) -> Answer<'_, Option<JoinTokenRow>> {
        self.inner.join_token(hash, now)
    }

    fn token(&self, id: String) -> Answer<'_, Option<TokenRow>> {
        self.inner.token(id)
    }

    fn tokens(&self, filter: TokenFilter, after: Option<String>, limit: usize) -> Answer<'_, Vec<TokenRow>> {
        self.inner.tokens(filter, after, limit)
    }

    fn audit(&self, after: u64, limit: usize, filter: AuditFilter) -> Answer<'_, Vec<AuditRow>> {
        self.inner.audit(after, limit, filter)
    }

    fn audit_newest(&self, before: Option<u64>, limit: usize, filter: AuditFilter) -> Answer<'_, Vec<AuditRow>> {
        self.inner.audit_newest(before, limit, filter)
    }

    fn audit_head(&self) -> Answer<'_, AuditHead> {
        self.inner.audit_head()
    }

    fn prune(&self, now: Timestamp) -> Answer<'_, u64> {
        self.inner.prune(now)
    }

    fn clock(&self) -> Answer<'_, StoreClock> {
        self.inner.clock()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes()
    }

    fn check(&self) -> Answer<'_, ()> {
        self.inner.check()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }

    fn transactions(&self) -> u64 {
        self.inner.transactions()
    }
}

#[cfg(test)]
mod tests {
    use carnet_store::{AuditRecord, Options};

    use super::*;

    #[tokio::test]
    async fn what_was_certainly_not_written_has_failed_with_all_its_rows() {
        let metrics = Metrics::new("carnet");
        let inner = carnet_store::open("sqlite::memory:", Options::default()).await.unwrap();
        let store = MeteredStore::new(inner, &metrics);
        store.close().await;
        let row = |action: &str| AuditRecord::new(Timestamp::UNIX_EPOCH, action, Outcome::Allowed);
        let ops = vec![Op::Audit(Box::new(row("node.attest")))];
        let error = store.commit(Commit { ops, audit: row("svid.x509"), refused: None }).await.unwrap_err();
        assert_eq!(error, StoreError::Closed);
        for action in ["node.attest", "svid.x509"] {
            assert_eq!(store.decisions.with(&[action, "failed"]).value(), 1, "{action}");
        }
    }

    #[test]
    fn only_a_store_that_cannot_tell_leaves_the_outcome_open() {
        let (what, hint) = (String::new(), String::new());
        assert_eq!(unwritten(&StoreError::Unavailable { what: what.clone(), hint: hint.clone() }), "failed");
        assert_eq!(unwritten(&StoreError::Unknown { what, hint }), "unknown");
    }
}
