//! Files that are named one by one or by their folder.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
};

use carnet_attest::Attestors;
use carnet_core::{Context, Error, Mistake};
use carnet_entries::FollowedFile;
use carnet_kubernetes::relying::ClusterVerifier;

use crate::{
    config::Settings,
    rules::{self, Ground, refused},
};

/// Most files in one folder.
const MAX_FILES: usize = 1000;

/// What the files that the configuration names make, beside rules and entries.
#[derive(Debug)]
pub struct FromFiles {
    /// What nodes are verified by.
    pub attestors: Attestors,
    /// What pods are verified by.
    pub clusters: Vec<ClusterVerifier>,
    /// What of the rules is taken and should not be.
    pub warnings: Vec<Mistake>,
}

impl Settings {
    /// Reads what files say of rules, entries, node attestation and clusters. Nothing is written and nobody is asked.
    ///
    /// # Errors
    /// The first of them that is wrong, with all of its mistakes. What an entry means beside those of the store is not seen here.
    pub fn check_files(&self, context: &Context) -> Result<FromFiles, Error> {
        let warnings = rules::check_files(&self.rules, context, &self.ground())?;
        for path in toml_files(&self.entries)? {
            FollowedFile { label: path.display().to_string(), path }.read(context)?;
        }
        let clusters = self.load_clusters(context).map_err(|mistakes| refused("the clusters", &mistakes))?;
        let attestors = self.attest.load(context).map_err(|mistakes| refused("node attestation", &mistakes))?;
        Ok(FromFiles { attestors, clusters, warnings })
    }

    /// What is settled before there is a rule.
    pub(crate) fn ground(&self) -> Ground {
        let cluster_issuers = self.clusters.values().map(|cluster| cluster.issuer.clone()).collect();
        let unnamed_callers = self.listen.unnamed_callers;
        Ground { trust_domain: self.trust_domain.clone(), cluster_issuers, unnamed_callers }
    }
}

/// The files among these paths, and of the folders among them those that end in `.toml`, in the order of their names.
///
/// # Errors
/// When a path does not exist or a folder cannot be read: an empty list of rules must be meant.
pub(crate) fn toml_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        let failed = |error| {
            Error::configuration(format!("read {}", path.display()))
                .because(error)
                .hint("name a file, or a folder of files that end in `.toml`, which this user may read")
        };
        let found = std::fs::metadata(path).map_err(failed)?;
        refuse_writable(path, &found)?;
        if !found.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file.extension().is_some_and(|extension| extension == "toml") {
                refuse_writable(&file, &std::fs::metadata(&file).map_err(failed)?)?;
                inside.push(file);
            }
        }
        if inside.len() > MAX_FILES {
            let text = format!("{} holds {} files, more than {MAX_FILES}", path.display(), inside.len());
            return Err(Error::configuration(text));
        }
        inside.sort();
        files.append(&mut inside);
    }
    Ok(files)
}

/// Whoever can write such a file decides who becomes whom.
fn refuse_writable(path: &Path, found: &Metadata) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;
    if found.mode() & 0o002 == 0 {
        return Ok(());
    }
    Err(Error::configuration(format!("read {}: every user may change it", path.display()))
        .hint(format!("chmod o-w {}", path.display())))
}
