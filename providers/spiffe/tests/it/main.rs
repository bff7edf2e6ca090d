//! Identities, bundles and SVIDs, one valid input bent in one place at a time.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "what the tests share is not inside a test function")]

mod bundle;
mod bundle_map;
mod entry;
mod id;
mod jwt_svid;
mod oracle;
#[cfg(feature = "client")]
mod source;
mod support;
mod trust;
mod x509_svid;
