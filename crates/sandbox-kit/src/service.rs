//! Services and where they can be reached.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use axum::Router;
use url::Url;

/// A host name that a service answers for when it is reached under its real name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Exactly this name or address.
    Exact(&'static str),
    /// Any name that starts and ends like this, with at least one character between: `auth.` … `.oraclecloud.com`.
    Between(&'static str, &'static str),
}

impl Host {
    /// Whether the name (without port) is one of them. Names compare without case.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        match self {
            Self::Exact(exact) => name == *exact,
            Self::Between(start, end) => {
                name.len() > start.len().saturating_add(end.len()) && name.starts_with(start) && name.ends_with(end)
            }
        }
    }
}

/// One emulated service.
#[derive(Clone, Debug)]
pub struct Service {
    /// A stable kebab-case name, for instance `oci-domain`.
    pub name: &'static str,
    /// Real host names it answers for.
    pub hosts: Vec<Host>,
    /// Its routes, at the root of its own listener.
    pub router: Router,
}

/// Where one service listens.
#[derive(Clone, Debug)]
pub struct ServiceUrls {
    /// `http://127.0.0.1:PORT/`
    pub plain: Url,
    /// `https://127.0.0.1:PORT/`, certificate of the sandbox's own authority.
    pub tls: Url,
}

/// Where every service listens, by name.
pub type Urls = BTreeMap<&'static str, ServiceUrls>;

/// The emulated services of one provider.
pub trait Emulator: Send + Sync {
    /// Its services.
    fn services(&self) -> Vec<Service>;

    /// Files that clients need (a profile, a token, a key), relative to the sandbox's private folder. Made on demand,
    /// because keys take time.
    fn files(&self, urls: &Urls) -> Result<Vec<(PathBuf, Vec<u8>)>, carnet_core::Error> {
        let _ = urls;
        Ok(Vec::new())
    }

    /// Variables that point the vendor's SDKs at the services and at the files under `folder`, for `carnet sandbox env`.
    fn environment(&self, urls: &Urls, folder: &Path) -> Vec<(String, String)>;

    /// Makes the keys that will be needed soon. Runs on a thread of its own after the sandbox is ready.
    fn warm(&self) {}

    /// Replaces the signing key of a service (fault `key-rotated`).
    fn rotate_keys(&self, service: &str) {
        let _ = service;
    }
}
