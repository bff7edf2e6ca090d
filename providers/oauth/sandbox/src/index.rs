//! The index of crates.io, of which cargo asks whether a version is there.

use std::collections::BTreeMap;

use carnet_core::hex;
use carnet_jose::sha256;
use serde_json::json;

use crate::seed::{NEIGHBOUR, PROJECT};

/// Most versions that are known of one crate; the first ones are forgotten.
const MAX_VERSIONS: usize = 1000;

/// A version of a crate.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What the index says of it: a line of JSON with its end ("Index format", doc.rust-lang.org/cargo/reference/registry-index.html).
    pub(crate) line: String,
}

impl Release {
    /// The version with this file. What it depends on is not looked at.
    pub(crate) fn new(name: &str, version: &str, file: &[u8]) -> Self {
        let sum = hex(&sha256(file));
        let line = json!({ "name": name, "vers": version, "deps": [], "cksum": sum, "features": {}, "yanked": false });
        Self { name: name.to_owned(), version: version.to_owned(), line: format!("{line}\n") }
    }
}

/// The crates that there are, each with its versions, the newest last.
pub(crate) struct Index(BTreeMap<String, Vec<Release>>);

impl Default for Index {
    fn default() -> Self {
        let first = |name: &str| (name.to_owned(), vec![Release::new(name, "0.1.0", b"")]);
        Self([PROJECT, NEIGHBOUR].map(first).into())
    }
}

impl Index {
    /// Whether there is a crate of this name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether there is this version.
    pub(crate) fn has(&self, release: &Release) -> bool {
        self.0.get(&release.name).is_some_and(|known| known.iter().any(|one| one.version == release.version))
    }

    /// Adds a version of a crate that is there.
    pub(crate) fn add(&mut self, release: Release) {
        if let Some(known) = self.0.get_mut(&release.name) {
            if known.len() >= MAX_VERSIONS {
                known.remove(0);
            }
            known.push(release);
        }
    }

    /// The versions of a crate as the index tells them, if there is such a crate.
    pub(crate) fn lines(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|known| known.iter().map(|release| release.line.as_str()).collect())
    }
}
