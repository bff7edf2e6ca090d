//! The file, and who may touch it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::StoreError;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Gone with the store.
    Memory,
    /// A file.
    File(PathBuf),
}

/// Makes sure that the file is there, and that it and its folder are ours alone. Answers its path without links.
pub(super) fn prepare(path: &Path) -> Result<PathBuf, StoreError> {
    let name =
        path.file_name().ok_or_else(|| unusable(path, "this is no path of a file", "name a file in a folder"))?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(failed("make the folder", folder, &error));
        }
        _ => {}
    }
    let folder = folder.canonicalize().map_err(|error| failed("open the folder", folder, &error))?;
    let metadata = fs::metadata(&folder).map_err(|error| failed("look at the folder", &folder, &error))?;
    if metadata.mode() & 0o022 != 0 {
        let hint = format!("`chmod go-w {}`, or keep the store in a folder of its own", folder.display());
        return Err(unusable(&folder, "other users may write in this folder, and could put another file there", &hint));
    }
    let path = folder.join(name);
    let file = open_file(&path)?;
    let metadata = file.metadata().map_err(|error| failed("look at", &path, &error))?;
    if !metadata.is_file() {
        return Err(unusable(&path, "this is not a regular file", "name another"));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        let hint = format!("run as the user {} owns it, or `chown` it", metadata.uid());
        return Err(unusable(&path, "this file belongs to another user", &hint));
    }
    // SQLite gives the log and its index the mode of the file.
    if metadata.mode() & 0o077 != 0 {
        let hint =
            format!("`chmod 600 {}` if nobody has used that; otherwise its keys are to be replaced", path.display());
        return Err(unusable(&path, "other users may read or write this file", &hint));
    }
    Ok(path)
}

fn open_file(path: &Path) -> Result<File, StoreError> {
    let flags = rustix::fs::OFlags::NOFOLLOW.union(rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(flags);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            options.open(path).map_err(|error| failed("open", path, &error))
        }
        opened => opened.map_err(|error| failed("make", path, &error)),
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unusable {
        what: format!("{what} {}: {error}", path.display()),
        hint: "the user that carnet runs as must be able to write this file and its folder; a link is not followed"
            .to_owned(),
    }
}

fn unusable(path: &Path, what: &str, hint: &str) -> StoreError {
    StoreError::Unusable { what: format!("{}: {what}", path.display()), hint: hint.to_owned() }
}
