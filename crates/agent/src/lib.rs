//! The agent on a node: who is calling, and which identities that caller has.
//!
//! How callers are known, what they get and which statuses there are is in this crate's README.
//!
//! [`Agent::start`] binds a Unix socket and serves the SPIFFE Workload API, Envoy's secret discovery, health and reflection
//! on it. Where its identities come from is an [`Upstream`]; who is calling is found out by [`WorkloadAttestor`]s.
//!
//! ```text
//! Upstream ── updates ──► sync ──► snapshot of entries, bundles, SVIDs ──► streams (a message when it would be another)
//!    ▲                                 ▲          │
//!    ├── x509 ─── minter ──────────────┘          ▼
//!    ├── jwt ──── cache ◄──────────────────── unary calls
//!    └── attest, renew ─── keeper ── the agent's own SVID, kept on disk
//! ```

mod agent;
mod attest;
mod bundles;
mod config;
mod core;
mod diagnostics;
mod entries;
mod https;
mod hub;
mod jwt_cache;
mod jwt_calls;
mod keeper;
mod minter;
mod process;
mod server;
mod settings;
mod state_file;
mod sync;
mod tainted;
mod upstream;
mod view;

pub use agent::{Agent, AgentParts, Facts};
pub use attest::{
    Attestation, AttestationLimits, Caller, Container, Executables, Kubelet, Kubernetes, Names, Systemd, Unix,
    WorkloadAttestor,
};
pub use config::{AgentConfig, AgentPlan, KubernetesSection, SdsSection, UnixSection};
pub use https::{Bootstrap, HttpsSettings, HttpsUpstream};
pub use hub::Phase;
pub use process::{Credentials, Process, Processes};
pub use settings::{SdsSettings, Settings, SocketSettings};
pub use upstream::{AgentIdentity, Upstream, UpstreamError};
