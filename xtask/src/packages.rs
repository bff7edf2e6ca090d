//! What cargo says of the packages of a workspace.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};
use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    /// Where a foreign one comes from.
    pub(crate) source: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) rename: Option<String>,
    /// `dev`, `build`, or none.
    pub(crate) kind: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

/// The packages of the workspace of this manifest.
///
/// # Errors
/// When cargo refuses the manifest.
pub(crate) fn packages(manifest: &Path) -> anyhow::Result<Vec<Package>> {
    let output = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"])
        .arg(manifest)
        .output()
        .context("run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let Metadata { packages } = serde_json::from_slice(&output.stdout).context("read cargo metadata")?;
    Ok(packages)
}

#[cfg(test)]
impl Package {
    /// One of ours, for tests.
    pub(crate) fn named(name: &str, dependencies: Vec<Dependency>) -> Self {
        Self { name: name.to_owned(), dependencies, targets: Vec::new(), source: None }
    }
}

#[cfg(test)]
impl Dependency {
    /// An ordinary one, for tests.
    pub(crate) fn on(name: &str) -> Self {
        Self { name: name.to_owned(), rename: None, kind: None }
    }
}
