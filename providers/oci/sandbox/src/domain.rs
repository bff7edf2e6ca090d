//! The identity domain: token endpoint and administration.

use std::path::{Path, PathBuf};

use carnet_core::Error;
use carnet_sandbox_kit::{Host, Service, Urls};

use crate::OciState;

/// The identity domain of the seeded world.
#[derive(Debug)]
pub(crate) struct Domain {
    state: OciState,
}

impl Domain {
    pub(crate) fn new(state: OciState) -> Self {
        Self { state }
    }

    pub(crate) fn service(&self) -> Service {
        let _ = &self.state;
        Service::new("oci-domain", [Host::Between("idcs-", ".identity.oraclecloud.com")], axum::Router::new())
    }

    /// Files that clients of the domain need, relative to the sandbox's private folder.
    pub(crate) fn files(&self, _urls: &Urls) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
        Ok(Vec::new())
    }

    /// Variables that point clients at the domain.
    pub(crate) fn environment(&self, _urls: &Urls, _folder: &Path) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Makes the signing key.
    pub(crate) fn warm(&self) {}

    /// Replaces the signing key.
    pub(crate) fn rotate_keys(&self) {}
}
