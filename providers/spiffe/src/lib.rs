//! SPIFFE: identities, bundles, SVIDs, and the workload's own identity as a source.
//!
//! Facts are those of the SPIFFE specifications (<https://github.com/spiffe/spiffe/tree/main/standards>): SPIFFE-ID,
//! JWT-SVID, X509-SVID, Trust Domain and Bundle. Everything here but the source is a pure function of its arguments.
//!
//! ```
//! use carnet_spiffe::{SpiffeId, TrustDomain};
//!
//! let id: SpiffeId = "spiffe://example.org/ns/pay/sa/api".parse()?;
//! assert_eq!(id.trust_domain(), "example.org".parse::<TrustDomain>()?);
//! assert_eq!(id.path(), "/ns/pay/sa/api");
//! # Ok::<(), carnet_spiffe::IdError>(())
//! ```

mod bundle;
mod bundle_map;
mod entry;
mod id;
mod jwt_svid;
mod profile;
mod selector;
#[cfg(feature = "client")]
mod source;
mod svid;
mod text;
pub mod trust;
mod trust_domain;
mod verified_chains;
mod x509_svid;

pub use bundle::{Bundle, BundleError};
pub use bundle_map::BundleMap;
pub use entry::{Entry, ISSUERS_CLAIMS};
pub use id::{IdError, SpiffeId};
pub use jwt_svid::{JwtSvidRules, VerifiedJwtSvid, verify_jwt_svid, verify_jwt_svid_with};
pub use profile::{authority_profile, svid_profile};
pub use selector::{Selector, SelectorError};
#[cfg(feature = "client")]
pub use source::{Spiffe, SvidKind};
pub use svid::{SvidClause, SvidError};
pub use trust_domain::TrustDomain;
pub use verified_chains::VerifiedChains;
pub use x509_svid::verify_x509_svid;

/// Names the sources of this crate.
#[cfg(feature = "client")]
pub fn register(register: &mut impl carnet_core::Register) {
    register.source::<Spiffe>();
}
