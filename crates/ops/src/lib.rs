//! Running as a service: health, metrics, traces, systemd, files that change, signals.
//!
//! Diagnostics have a listener of their own ([`diagnostics`]): `/livez`, `/readyz`, `/readyz/{component}` and `/metrics`.
//! Components report what they know ([`Health`]); asking never does any work, so a probe cannot hang on what it probes.
//!
//! ```
//! use carnet_ops::{Health, Metrics, diagnostics};
//!
//! let health = Health::new();
//! let store = health.component("store");
//! assert!(!health.report().ready);
//! store.ready();
//! assert!(health.report().ready);
//!
//! let metrics = Metrics::new("carnet");
//! let exchanges = metrics.counter("exchanges", "Token exchanges by outcome.", &["outcome"]);
//! exchanges.with(&["allowed"]).increment();
//! let _router = diagnostics(health, metrics);
//! ```

mod diagnostics;
mod health;
mod metrics;
mod signals;
pub mod systemd;
mod telemetry;
mod telemetry_section;
mod trace;
mod watch;

pub use diagnostics::{diagnostics, diagnostics_at_sight};
pub use health::{Component, Health, Report, State};
pub use metrics::{Count, CounterFamily, Gauge, HistogramFamily, Metrics, Observe};
pub use signals::{Signal, Signals};
pub use telemetry::{OpenTelemetryLayer, Telemetry, TelemetrySettings};
pub use telemetry_section::TelemetrySection;
pub use trace::trace_requests;
pub use watch::FileWatch;
