//! The one place that writes credentials to disk: whole and private, or not at all.
#![expect(clippy::disallowed_methods, reason = "this is the one module that replaces files")]

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::{Error, Random as _, SecretBytes, SystemRandom, hex};

/// Owner may read and write, nobody else anything. A credential readable by others is a credential lost.
const FILE_MODE: u32 = 0o600;
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

/// A file that no other process changes meanwhile.
#[derive(Debug, Default)]
pub struct Held {
    /// `None` where there is nobody else.
    lock: Option<File>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            // Closing it would not do if a child has inherited it.
            let _ = flock(lock, FlockOperation::Unlock);
        }
    }
}

/// Replaces each file by one of mode 0600. All are written and synced before the first is renamed, so a full disk or
/// a read-only folder leaves everything as it was.
///
/// # Errors
/// [`crate::ErrorKind::Configuration`] when a folder or file cannot be written.
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
    }
    Ok(())
}

/// Writes the files into a new folder under `directory` and swaps the symbolic link `directory/current` to it, so
/// that a reader who goes through the link never sees a token beside another token's key. The generation before is
/// kept for readers in mid-read; older ones are removed. Two writers at once are serialised by a lock.
///
/// # Errors
/// [`crate::ErrorKind::Configuration`] when a folder or file cannot be written; the old generation stays current.
pub fn replace_directory(directory: &Path, files: &[NewFile]) -> Result<(), Error> {
    make_directory(directory)?;
    let _lock = lock(&directory.join(".lock"))?;
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

/// Waits for a lock beside the file, because the file itself is replaced by another.
///
/// # Errors
/// [`crate::ErrorKind::Configuration`] when its folder cannot be made or written.
pub(crate) fn hold_file(path: &Path) -> Result<Held, Error> {
    let folder = parent(path);
    make_directory(folder)?;
    let name = file_name(path)?;
    Ok(Held { lock: Some(lock(&folder.join(format!(".{name}.lock")))?) })
}

fn stage<'a>(files: &'a [NewFile], staged: &mut Vec<(PathBuf, &'a Path)>) -> Result<(), Error> {
    for file in files {
        let folder = parent(&file.path);
        make_directory(folder)?;
        let name = file_name(&file.path)?;
        // Found out before anything is replaced: a file cannot take the place of a folder.
        if fs::symlink_metadata(&file.path).is_ok_and(|there| there.is_dir()) {
            return Err(cannot("replace", &file.path, io::ErrorKind::IsADirectory.into()));
        }
        // A name that no other writer has, thread or process, and that nobody can plant where others may write too;
        // `create_new` refuses one that is taken.
        let mut random = [0; 8];
        SystemRandom.fill(&mut random);
        let new = folder.join(format!(".{name}.{}.new", hex(&random)));
        staged.push((new.clone(), file.path.as_path()));
        write_new(&new, &file.content)?;
    }
    Ok(())
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

fn make_directory(path: &Path) -> Result<(), Error> {
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

fn lock(path: &Path) -> Result<File, Error> {
    // A link in its place would have a file made where it points; a pipe would be waited for without end.
    let flags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| cannot("open", path, error))?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| cannot("lock", path, error.into()))?;
    Ok(file)
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

fn file_name(path: &Path) -> Result<std::borrow::Cow<'_, str>, Error> {
    path.file_name()
        .map(std::ffi::OsStr::to_string_lossy)
        .ok_or_else(|| Error::configuration(format!("write {}: the path names no file", path.display())))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_directory(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| cannot("sync", path, error))
}

fn cannot(verb: &str, path: &Path, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Some("free space on that disk; what was there before is untouched")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some("choose a folder that this user may write to; what was there before is untouched")
        }
        _ => None,
    };
    let error = Error::configuration(format!("{verb} {}", path.display())).because(error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn files_are_private_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/token");
        replace_files(&[NewFile::new(&path, "one")]).unwrap();
        replace_files(&[NewFile::new(&path, "two")]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no left-overs");
    }

    #[test]
    fn when_one_cannot_be_written_none_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good");
        replace_files(&[NewFile::new(&good, "old")]).unwrap();
        let blocked = good.join("under-a-file");
        let error = replace_files(&[NewFile::new(&good, "new"), NewFile::new(&blocked, "x")]).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Configuration);
        assert_eq!(fs::read(&good).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no left-overs");
    }

    #[test]
    fn when_one_is_a_folder_none_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (good, taken) = (folder.path().join("token"), folder.path().join("key.pem"));
        replace_files(&[NewFile::new(&good, "old")]).unwrap();
        fs::create_dir(&taken).unwrap();
        replace_files(&[NewFile::new(&good, "new"), NewFile::new(&taken, "x")]).unwrap_err();
        assert_eq!(fs::read(&good).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no left-overs");
    }

    #[test]
    fn racing_writers_of_one_file_leave_one_of_theirs_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::thread::scope(|scope| {
            for writer in 0..4_u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..10 {
                        replace_files(&[NewFile::new(path, vec![b'a' + writer; 100_000])]).unwrap();
                    }
                });
            }
        });
        let content = fs::read(&path).unwrap();
        assert_eq!((content.len(), content.iter().all(|byte| *byte == content[0])), (100_000, true));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no left-overs");
    }

    #[test]
    fn a_file_that_is_held_is_changed_by_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shared");
        std::thread::scope(|scope| {
            for writer in b'a'..=b'd' {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..10 {
                        let _held = hold_file(path).unwrap();
                        let mut content = fs::read(path).unwrap_or_default();
                        content.push(writer);
                        replace_files(&[NewFile::new(path, content)]).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read(&path).unwrap().len(), 40);
    }

    #[test]
    fn a_planted_generation_is_not_written_into() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(elsewhere.path(), folder.path().join(format!("gen-{}", u64::MAX))).unwrap();
        replace_directory(folder.path(), &[NewFile::new("token", "t")]).unwrap_err();
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_planted_lock_is_not_followed() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(elsewhere.path().join("made"), folder.path().join(".lock")).unwrap();
        replace_directory(folder.path(), &[NewFile::new("token", "t")]).unwrap_err();
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_in_the_place_of_the_link_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("current")).unwrap();
        replace_directory(folder.path(), &[NewFile::new("token", "t")]).unwrap_err();
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".lock", "current"]);
    }

    #[test]
    fn a_directory_changes_all_at_once_and_keeps_two_generations() {
        let folder = tempfile::tempdir().unwrap();
        for round in 1..=4 {
            let pair = [NewFile::new("token", format!("t{round}")), NewFile::new("key.pem", format!("k{round}"))];
            replace_directory(folder.path(), &pair).unwrap();
        }
        let current = folder.path().join("current");
        assert_eq!(fs::read(current.join("token")).unwrap(), b"t4");
        assert_eq!(fs::read(current.join("key.pem")).unwrap(), b"k4");
        assert_eq!(generations(folder.path()).unwrap().len(), 2);
    }

    #[test]
    fn racing_writers_never_mix_a_token_with_another_key() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = folder.path();
                scope.spawn(move || {
                    for round in 0..10 {
                        let mark = format!("{writer}-{round}");
                        replace_directory(path, &[NewFile::new("token", mark.clone()), NewFile::new("key.pem", mark)])
                            .unwrap();
                    }
                });
            }
        });
        let current = fs::canonicalize(folder.path().join("current")).unwrap();
        assert_eq!(fs::read(current.join("token")).unwrap(), fs::read(current.join("key.pem")).unwrap());
    }
}
