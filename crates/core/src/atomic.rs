//! The one place that writes credentials to disk: whole and private, or not at all.
#![expect(clippy::disallowed_methods, reason = "this is the one module that replaces files")]

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use crate::{
    Error, Random as _, SecretBytes, SystemRandom,
    link::parent,
    lock::{Patience, hold_directory},
};

/// Owner may read and write, nobody else anything. A credential readable by others is a credential lost.
pub(crate) const FILE_MODE: u32 = 0o600;
/// Owner only, for folders that carnet makes.
const DIRECTORY_MODE: u32 = 0o700;
/// The name of the symbolic link that readers go through.
const CURRENT: &str = "current";

/// A file to write.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Where. Relative to the folder in [`replace_directory`].
    pub path: PathBuf,
    /// The whole content.
    pub content: SecretBytes,
}

impl NewFile {
    /// A file with this content.
    pub fn new(path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), content: SecretBytes::new(content) }
    }
}

/// Replaces each file by one of mode 0600. All are written and synced before the first is renamed, so a full disk or
/// a read-only folder leaves everything as it was.
///
/// A symbolic link is neither followed nor replaced but refused: followed, it would let whoever put it there choose where a
/// credential goes; replaced, the file it leads to would grow old without a word. The same holds for a pipe or a device.
/// Who means the file behind a link holds it first ([`crate::Files::hold`]) and replaces [`crate::Held::path`].
///
/// # Errors
/// [`crate::ErrorKind::Configuration`] when a folder or file cannot be written, or is there and not a regular file.
pub fn replace_files(files: &[NewFile]) -> Result<(), Error> {
    let mut staged: Vec<(PathBuf, &Path)> = Vec::with_capacity(files.len());
    let outcome = stage(files, &mut staged).and_then(|()| {
        staged.iter().try_for_each(|(new, old)| fs::rename(new, old).map_err(|error| cannot("replace", old, error)))
    });
    if outcome.is_err() {
        for (new, _) in &staged {
            // What is left over is ours alone; failing to remove it must not hide the first error.
            drop(fs::remove_file(new));
        }
    }
    outcome?;
    for file in files {
        sync_directory(parent(&file.path))?;
        abandoned::remove_abandoned(&file.path, &file_name(&file.path)?);
    }
    Ok(())
}

/// Writes the files into a new folder under `directory` and swaps the symbolic link `directory/current` to it, so
/// that a reader who goes through the link never sees a token beside another token's key. The generation before is
/// kept for readers in mid-read; older ones are removed. Two writers at once are serialised by a lock.
///
/// # Errors
/// [`crate::ErrorKind::Configuration`] when a folder or file cannot be written, [`crate::ErrorKind::Unreachable`] when another
/// writer holds the lock for too long; the old generation stays current.
pub(crate) async fn replace_directory(directory: &Path, files: &[NewFile], patience: Patience) -> Result<(), Error> {
    let _held = hold_directory(directory, patience).await?;
    let generation = next_generation(directory)?;
    let folder = directory.join(&generation);
    let link = directory.join(format!(".{generation}.link"));
    make_new_directory(&folder)?;
    let outcome = (|| {
        for file in files {
            write_new(&folder.join(&file.path), &file.content)?;
        }
        sync_directory(&folder)?;
        drop(fs::remove_file(&link));
        symlink(&generation, &link).map_err(|error| cannot("link", &link, error))?;
        let current = directory.join(CURRENT);
        fs::rename(&link, &current).map_err(|error| cannot("replace", &current, error))
    })();
    if outcome.is_err() {
        drop(fs::remove_file(&link));
        drop(fs::remove_dir_all(&folder));
    }
    outcome?;
    sync_directory(directory)?;
    forget_old(directory, &generation);
    Ok(())
}

fn stage<'a>(files: &'a [NewFile], staged: &mut Vec<(PathBuf, &'a Path)>) -> Result<(), Error> {
    for file in files {
        let folder = parent(&file.path);
        make_directory(folder)?;
        let name = file_name(&file.path)?;
        // Found out before anything is replaced.
        check_replaceable(&file.path)?;
        // A name that no other writer has, thread or process, and that nobody can plant where others may write too;
        // `create_new` refuses one that is taken.
        let mut random = [0; 8];
        SystemRandom.fill(&mut random);
        let new = abandoned::staged(folder, &name, random);
        staged.push((new.clone(), file.path.as_path()));
        write_new(&new, &file.content)?;
    }
    Ok(())
}

/// Refuses what a file must not take the place of: a folder, a link, a pipe, a device.
pub(crate) fn check_replaceable(path: &Path) -> Result<(), Error> {
    let kind = match fs::symlink_metadata(path) {
        Ok(there) => there.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot("replace", path, error)),
    };
    if kind.is_file() {
        return Ok(());
    }
    let refuse = |what: &str| Error::configuration(format!("replace {}: it is {what}", path.display()));
    Err(if kind.is_dir() {
        refuse("a folder, not a file").hint("name a file in it")
    } else if kind.is_symlink() {
        refuse("a symbolic link, and a credential is not written through one").hint("name the file that it leads to")
    } else {
        refuse("not a regular file").hint("name a file of its own, which is replaced as a whole")
    })
}

fn write_new(path: &Path, content: &SecretBytes) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        file.write_all(content.expose())?;
        file.sync_all()
    };
    write().map_err(|error| cannot("write", path, error))
}

pub(crate) fn make_directory(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        .map_err(|error| cannot("make the folder", path, error))
}

/// A folder that was not there before: one that somebody planted, or a link to elsewhere, is not written into.
fn make_new_directory(path: &Path) -> Result<(), Error> {
    fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path).map_err(|error| cannot("make the new folder", path, error))
}

fn next_generation(directory: &Path) -> Result<String, Error> {
    let last = generations(directory).map_err(|error| cannot("list", directory, error))?.into_iter().max();
    Ok(format!("gen-{}", last.map_or(1, |number| number.saturating_add(1))))
}

fn generations(directory: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.strip_prefix("gen-")?.parse().ok()) {
            found.push(number);
        }
    }
    Ok(found)
}

fn forget_old(directory: &Path, current: &str) {
    let Ok(mut numbers) = generations(directory) else { return };
    numbers.sort_unstable();
    for number in numbers.iter().rev().skip(2) {
        let name = format!("gen-{number}");
        if name != current {
            drop(fs::remove_dir_all(directory.join(name)));
        }
    }
}

pub(crate) fn file_name(path: &Path) -> Result<std::borrow::Cow<'_, str>, Error> {
    path.file_name()
        .map(std::ffi::OsStr::to_string_lossy)
        .ok_or_else(|| Error::configuration(format!("write {}: the path names no file", path.display())))
}

fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| cannot("sync", path, error))
}

pub(crate) fn cannot(verb: &str, path: &Path, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Some("free space on that disk; what was there before is untouched")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some("choose a folder that this user may write to; what was there before is untouched")
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::NotFound => {
            Some("see what is at that path: every part of it but the last must be a folder, or not be there yet")
        }
        _ => None,
    };
    let error = Error::configuration(format!("{verb} {}", path.display())).because(error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

mod abandoned;
#[cfg(test)]
mod tests;
