//! OIDC discovery documents, SPIFFE bundles and federation.
//!
//! * [`router`] and [`bundle_router`] serve what a watched bundle says: the authority's own, or that of a [`Follower`] of an
//!   existing SPIRE. [`limits`] says which cloud cannot read it.
//! * [`Federation`] keeps the bundles of other trust domains.
//! * [`Discovery`] is `carnet discovery`, from a [`DiscoveryConfig`].
//! * [`export_files`], [`diff`](fn@diff), [`export`](fn@export) and [`check`](fn@check) are for a bucket or a CDN.
//!
//! The README has the options, those of SPIRE's provider beside ours, and what is done otherwise.
//!
//! ```
//! use std::sync::Arc;
//! use carnet_core::SystemClock;
//! use carnet_discovery::{Settings, documents, router};
//! use carnet_spiffe::Bundle;
//! use tokio::sync::watch;
//!
//! let bundle = Bundle::empty("example.org".parse()?);
//! let settings = Settings::of_issuer("https://oidc.example.org");
//! assert!(documents(&bundle, &settings)?.jwks.starts_with(b"{"));
//! let source = watch::Sender::new(Some(bundle.shared())).subscribe();
//! let router: axum::Router = router(source, settings, Arc::new(SystemClock));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod acme;
mod answer;
mod bundle;
mod certificate;
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
pub use certificate::{CertificatePlan, FilesPlan, ServedCertificate};
pub use config::{DiscoveryConfig, DiscoveryPlan, HealthPlan, ListenPlan};
pub use documents::{CONFIGURATION_PATH, CONTENT_TYPE, Documents, KEYS_PATH, documents};
pub use endpoint::{EndpointProfile, check_endpoint_url};
pub use export::{Change, Check, ExportFile, Finding, UploadTo, check, diff, export, export_files, upload_commands};
pub use federation::{DomainStatus, Federation, FederationParts, KeepBundle, Relationship, poll_interval};
pub use limits::{Consumer, Warning, limits};
pub use router::{document_router, router};
pub use serve::{Discovery, Reloader, source_of};
pub use settings::Settings;
pub use source::{Follower, Source, SourceHealth};
