//! The identities that places in Oracle's cloud give, and those in `~/.oci/config`.

pub mod imds;
pub mod instance;
pub mod oke;
pub mod profile;
pub mod resource;
mod rpst;
