//! What the operator counts.

use std::time::Duration;

use carnet_ops::{CounterFamily, Gauge, HistogramFamily};

/// The numbers of one operator. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    reconciled: CounterFamily,
    took: HistogramFamily,
    waiting: Gauge,
    leading: Gauge,
    entries: Gauge,
    relists: CounterFamily,
    failed_watches: CounterFamily,
    authority: CounterFamily,
}

impl Metrics {
    pub(crate) fn new(metrics: &carnet_ops::Metrics) -> Self {
        Self {
            reconciled: metrics.counter(
                "operator_reconciles",
                "Objects that were looked at, by their kind and what came of it.",
                &["kind", "outcome"],
            ),
            took: metrics.histogram("operator_reconcile_seconds", "How long looking at an object took.", &["kind"]),
            waiting: metrics.gauge("operator_queue", "Objects that wait to be looked at."),
            leading: metrics.gauge("operator_leading", "1 while this operator holds the lease."),
            entries: metrics.gauge("operator_entries", "Entries and rules of this operator at the authority."),
            relists: metrics.counter(
                "operator_relists",
                "Lists that were made again because the API server had forgotten what came next.",
                &["resource"],
            ),
            failed_watches: metrics.counter(
                "operator_watch_failures",
                "Lists and watches that failed and were tried again.",
                &["resource"],
            ),
            authority: metrics.counter(
                "operator_authority_calls",
                "Calls of the authority's admin API, by what they were for and what came of it.",
                &["call", "outcome"],
            ),
        }
    }

    pub(crate) fn reconciled(&self, kind: &str, outcome: &str, took: Duration) {
        self.reconciled.with(&[kind, outcome]).increment();
        self.took.with(&[kind]).observe(took);
    }

    pub(crate) fn waiting(&self, count: usize) {
        self.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }

    pub(crate) fn entries(&self, count: usize) {
        self.entries.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn relisted(&self, resource: &str) {
        self.relists.with(&[resource]).increment();
    }

    pub(crate) fn watch_failed(&self, resource: &str) {
        self.failed_watches.with(&[resource]).increment();
    }

    pub(crate) fn called(&self, call: &str, outcome: &str) {
        self.authority.with(&[call, outcome]).increment();
    }
}
