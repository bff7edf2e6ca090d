//! A small SCIM engine: resources as JSON, filters, paths, patches, pages, projections.
//!
//! RFC 7643 and RFC 7644 in the flavour of Oracle's identity domains ("SCIM++": `attributeSets`, `returned` on request,
//! errors with a message id). It knows no resource type; those are in [`crate::domain`].

mod error;
mod filter;
mod patch;
mod path;
mod query;
mod schema;
mod store;

pub(crate) use error::{MEDIA_TYPE, ScimError};
pub(crate) use patch::Patch;
pub(crate) use query::{Projection, Query};
pub(crate) use schema::{Attribute, ResourceType, boolean, complex, number, string};
pub(crate) use store::{Stamp, Store, add_schema, text, version};

pub use filter::{Filter, FilterError, Operator};
pub use path::{AttributePath, PathError};

/// A resource.
pub(crate) type Resource = serde_json::Map<String, serde_json::Value>;
