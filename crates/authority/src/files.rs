//! Files that are named one by one or by their folder.

use std::path::PathBuf;

use carnet_core::Error;

/// Most files in one folder.
const MAX_FILES: usize = 1000;

/// The files among these paths, and of the folders among them those that end in `.toml`, in the order of their names.
///
/// # Errors
/// When a path does not exist or a folder cannot be read: an empty list of rules must be meant.
pub(crate) fn toml_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        let failed = |error| Error::configuration(format!("read {}", path.display())).because(error);
        if !std::fs::metadata(path).map_err(failed)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if file.extension().is_some_and(|extension| extension == "toml") {
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
