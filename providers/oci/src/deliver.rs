//! OCI's credentials in the forms that Oracle's tools read.

mod folder;
pub mod profile;
pub mod resource_principal;
pub mod signature;
pub mod token;
