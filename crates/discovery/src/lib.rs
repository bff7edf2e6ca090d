//! OIDC discovery documents, SPIFFE bundles and federation.

pub mod acme;
mod answer;
mod bundle;
mod config;
mod documents;
mod endpoint;
mod export;
mod federation;
mod host;
mod limits;
mod router;
mod serve;
mod settings;
mod source;

pub use bundle::{BundleSettings, bundle_router, check_endpoint_svid, endpoint_verifier};
pub use config::{AcmePlan, DiscoveryConfig, DiscoveryPlan, HealthPlan, ListenPlan, TlsPlan};
pub use documents::{CONFIGURATION_PATH, CONTENT_TYPE, Documents, KEYS_PATH, documents};
pub use endpoint::EndpointProfile;
pub use export::{Change, Check, ExportFile, Finding, UploadTo, check, diff, export, export_files, upload_commands};
pub use federation::{DomainStatus, Federation, FederationParts, KeepBundle, Relationship, poll_interval};
pub use limits::{Consumer, Warning, limits};
pub use router::router;
pub use serve::{Discovery, serve, source_of};
pub use settings::{Settings, TrustedProxies};
pub use source::{Follower, Source, SourceHealth};
