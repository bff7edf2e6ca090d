//! OIDC discovery documents, SPIFFE bundles and federation.

mod answer;
mod bundle;
mod documents;
mod host;
mod limits;
mod router;
mod settings;

pub use bundle::{BundleSettings, bundle_router, check_endpoint_svid, endpoint_verifier};
pub use documents::{CONFIGURATION_PATH, CONTENT_TYPE, Documents, KEYS_PATH, documents};
pub use limits::{Consumer, Warning, limits};
pub use router::router;
pub use settings::{Settings, TrustedProxies};
