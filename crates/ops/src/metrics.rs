//! Numbers for Prometheus, in the OpenMetrics text format.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicI64},
    time::Duration,
};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge, histogram::Histogram},
    registry::Registry,
};

/// Most sets of label values of one metric. Values beyond it are counted under `other`, so that nobody outside can make
/// the process grow by what they send.
const MOST_LABEL_SETS: usize = 500;
/// The word for label values beyond [`MOST_LABEL_SETS`].
const OTHER: &str = "other";

/// Bounds of the buckets of durations, in seconds: from a signature to a hanging database.
const BUCKETS: [f64; 12] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 2.5, 10.0];

type Labels = Vec<(&'static str, String)>;

/// The metrics of a process.
#[derive(Clone)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    /// None yet; each name gets this prefix.
    pub fn new(prefix: &str) -> Self {
        Self(Arc::new(Mutex::new(Registry::with_prefix(prefix))))
    }

    /// A counter with these labels. The format adds `_total` to its name.
    pub fn counter(&self, name: &str, help: &str, labels: &'static [&'static str]) -> CounterFamily {
        let family = Family::<Labels, Counter>::default();
        self.register(name, help, family.clone());
        CounterFamily { bounded: Bounded::new(labels), family }
    }

    /// A histogram of durations in seconds with these labels.
    pub fn histogram(&self, name: &str, help: &str, labels: &'static [&'static str]) -> HistogramFamily {
        let family = Family::<Labels, Histogram, fn() -> Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        self.register(name, help, family.clone());
        HistogramFamily { bounded: Bounded::new(labels), family }
    }

    /// A number that goes up and down.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        let gauge = gauge::Gauge::<i64, AtomicI64>::default();
        self.register(name, help, gauge.clone());
        Gauge(gauge)
    }

    /// All of them, as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            tracing::warn!(%error, "writing the metrics failed");
        }
        text
    }

    fn register(&self, name: &str, help: &str, metric: impl prometheus_client::registry::Metric) {
        // The format ends each help text with a full stop of its own.
        let help = help.trim_end_matches('.');
        self.0.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, metric);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Counters that differ in their label values.
#[derive(Clone, Debug)]
pub struct CounterFamily {
    bounded: Bounded,
    family: Family<Labels, Counter>,
}

impl CounterFamily {
    /// The counter of these label values, in the order of the labels.
    pub fn with(&self, values: &[&str]) -> Count {
        Count(self.family.get_or_create(&self.bounded.labels(values)).clone())
    }
}

/// One counter.
#[derive(Clone, Debug)]
pub struct Count(Counter);

impl Count {
    /// One more.
    pub fn increment(&self) {
        self.0.inc();
    }

    /// So many more.
    pub fn add(&self, number: u64) {
        self.0.inc_by(number);
    }

    /// How many there were.
    pub fn value(&self) -> u64 {
        self.0.get()
    }
}

/// Histograms that differ in their label values.
#[derive(Clone, Debug)]
pub struct HistogramFamily {
    bounded: Bounded,
    family: Family<Labels, Histogram, fn() -> Histogram>,
}

impl HistogramFamily {
    /// The histogram of these label values, in the order of the labels.
    pub fn with(&self, values: &[&str]) -> Observe {
        Observe(self.family.get_or_create(&self.bounded.labels(values)).clone())
    }
}

/// One histogram.
#[derive(Clone, Debug)]
pub struct Observe(Histogram);

impl Observe {
    /// It took this long.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

/// A number that goes up and down.
#[derive(Clone, Debug)]
pub struct Gauge(gauge::Gauge<i64, AtomicI64>);

impl Gauge {
    /// It is this now.
    pub fn set(&self, value: i64) {
        self.0.set(value);
    }

    /// One more.
    pub fn increment(&self) {
        self.0.inc();
    }

    /// One less.
    pub fn decrement(&self) {
        self.0.dec();
    }
}

/// The sets of label values that one metric has seen.
#[derive(Clone, Debug)]
struct Bounded {
    names: &'static [&'static str],
    seen: Arc<Mutex<std::collections::HashSet<Vec<String>>>>,
}

impl Bounded {
    fn new(names: &'static [&'static str]) -> Self {
        Self { names, seen: Arc::default() }
    }

    /// The labels with these values; a value that is missing is empty, one too many is ignored.
    fn labels(&self, values: &[&str]) -> Labels {
        let own =
            || self.names.iter().enumerate().map(|(at, _)| values.get(at).copied().unwrap_or_default().to_owned());
        let wanted: Vec<String> = own().collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen.contains(&wanted) || (seen.len() < MOST_LABEL_SETS && seen.insert(wanted.clone()));
        let value = |value: String| if known { value } else { OTHER.to_owned() };
        self.names.iter().copied().zip(wanted.into_iter().map(value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_gauges_and_histograms_are_written_in_the_openmetrics_format() {
        let metrics = Metrics::new("carnet");
        let exchanges = metrics.counter("exchanges", "Token exchanges by outcome.", &["outcome"]);
        exchanges.with(&["allowed"]).add(2);
        exchanges.with(&["allowed"]).increment();
        metrics.gauge("streams", "Open streams.").set(7);
        let latency = metrics.histogram("commit_seconds", "How long commits take.", &["store"]);
        latency.with(&["sqlite"]).observe(Duration::from_millis(3));
        let text = metrics.text();
        for line in [
            "# HELP carnet_exchanges Token exchanges by outcome.\n",
            "carnet_exchanges_total{outcome=\"allowed\"} 3\n",
            "carnet_streams 7\n",
            "carnet_commit_seconds_bucket{le=\"0.0025\",store=\"sqlite\"} 0\n",
            "carnet_commit_seconds_bucket{le=\"0.005\",store=\"sqlite\"} 1\n",
            "# EOF\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn label_values_from_outside_cannot_make_it_grow() {
        let metrics = Metrics::new("carnet");
        let refused = metrics.counter("refused", "Refusals.", &["issuer"]);
        for number in 0..MOST_LABEL_SETS * 2 {
            refused.with(&[&format!("issuer-{number}")]).increment();
        }
        let lines = metrics.text().lines().filter(|line| line.starts_with("carnet_refused_total")).count();
        assert_eq!(lines, MOST_LABEL_SETS + 1);
        assert_eq!(refused.with(&["one more"]).value(), u64::try_from(MOST_LABEL_SETS).unwrap());
    }
}
