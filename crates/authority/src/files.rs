//! Files that are named one by one or by their folder.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
};

use carnet_attest::Attestors;
use carnet_core::{Context, Error};
use carnet_entries::FollowedFile;

use crate::{
    config::Settings,
    rules::{self, refused},
};

/// Most files in one folder.
const MAX_FILES: usize = 1000;

impl Settings {
    /// Reads what files say of rules, entries and node attestation. Nothing is written and nobody is asked.
    ///
    /// # Errors
    /// The first of them that is wrong, with all of its mistakes. What an entry means beside those of the store is not seen here.
    pub fn check_files(&self, context: &Context) -> Result<Attestors, Error> {
        rules::check_files(&self.rules, context, &self.trust_domain)?;
        for path in toml_files(&self.entries)? {
            FollowedFile { label: path.display().to_string(), path }.read(context)?;
        }
        self.attest.load(context).map_err(|mistakes| refused("node attestation", &mistakes))
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
