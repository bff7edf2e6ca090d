//! The sandbox's private folder: certificates, tokens and profiles that clients read, gone when the sandbox is.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use carnet_core::{Error, NewFile, Random, replace_files};

/// Owner only: there are keys in it.
const MODE: u32 = 0o700;

/// Names tried before giving up. Each has 64 random bits, so the second try is for a broken generator.
const ATTEMPTS: usize = 16;

/// A folder that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A new folder with a random name.
    pub(crate) fn temporary(parent: &Path, random: &dyn Random) -> Result<Self, Error> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let mut bytes = [0_u8; 8];
            random.fill(&mut bytes);
            let path = parent.join(format!("carnet-sandbox-{:016x}", u64::from_be_bytes(bytes)));
            // Fails when the name is taken, so nobody can plant a folder of theirs.
            match fs::DirBuilder::new().mode(MODE).create(&path) {
                Ok(()) => return Self::owned(&path),
                Err(error) => last = Some((path, error)),
            }
            if last.as_ref().is_some_and(|(_, error)| error.kind() != ErrorKind::AlreadyExists) {
                break;
            }
        }
        let Some((path, error)) = last else { return Err(Error::internal("choose a name for the sandbox's folder")) };
        Err(cannot("make", &path, error))
    }

    /// This folder, which must be new, or empty and private.
    pub(crate) fn at(path: &Path) -> Result<Self, Error> {
        match fs::DirBuilder::new().mode(MODE).create(path) {
            Ok(()) => return Self::owned(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot("make", path, error)),
        }
        let refuse = |why: &str| {
            Err(Error::configuration(format!("use {} as the sandbox's folder", path.display()))
                .hint(format!("it {why}; name a folder that does not exist yet")))
        };
        let metadata = fs::symlink_metadata(path).map_err(|error| cannot("look at", path, error))?;
        if !metadata.is_dir() {
            return refuse("is not a folder");
        }
        if metadata.mode() & 0o077 != 0 {
            return refuse("can be entered by others");
        }
        if fs::read_dir(path).map_err(|error| cannot("list", path, error))?.next().is_some() {
            return refuse("is not empty, and all that is in it would be removed at the end");
        }
        Self::owned(path)
    }

    fn owned(path: &Path) -> Result<Self, Error> {
        // The mode given when it is made is cut by the process's umask, never widened; this undoes the cutting.
        fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(|error| cannot("protect", path, error))?;
        let path = fs::canonicalize(path).map_err(|error| cannot("find", path, error))?;
        Ok(Self { path })
    }

    /// Where it is, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes files into it, each whole and for the owner only. A path that leads out of it is refused.
    pub(crate) fn write(&self, files: Vec<(PathBuf, Vec<u8>)>) -> Result<(), Error> {
        let mut new = Vec::with_capacity(files.len());
        for (path, content) in files {
            let inside = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if !inside {
                return Err(Error::internal(format!("write {} into the sandbox's folder", path.display())));
            }
            new.push(NewFile::new(self.path.join(path), content));
        }
        replace_files(&new)
    }

    /// Removes it with all that is in it. Once is enough, twice does no harm.
    pub(crate) fn remove(&self) {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(%error, folder = %self.path.display(), "the sandbox's folder could not be removed");
            }
            _ => {}
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.remove();
    }
}

fn cannot(verb: &str, path: &Path, error: std::io::Error) -> Error {
    Error::configuration(format!("{verb} the sandbox's folder {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use carnet_core::FixedRandom;

    use super::*;

    #[test]
    fn is_private_and_goes_away() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::temporary(parent.path(), &FixedRandom::default()).unwrap();
        let path = folder.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        folder.write(vec![(PathBuf::from("oci/config"), b"x".to_vec())]).unwrap();
        assert_eq!(fs::metadata(path.join("oci/config")).unwrap().mode() & 0o777, 0o600);
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn two_with_the_same_random_bytes_do_not_meet() {
        let parent = tempfile::tempdir().unwrap();
        let one = Folder::temporary(parent.path(), &FixedRandom::default()).unwrap();
        let other = Folder::temporary(parent.path(), &FixedRandom::default()).unwrap();
        assert_ne!(one.path(), other.path());
    }

    #[test]
    fn refuses_a_folder_with_something_in_it() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
        replace_files(&[NewFile::new(parent.path().join("precious"), "x")]).unwrap();
        let error = Folder::at(parent.path()).unwrap_err();
        assert!(error.hints().iter().any(|hint| hint.contains("not empty")), "{error:?}");
        assert!(parent.path().join("precious").exists());
    }

    #[test]
    fn refuses_a_folder_that_others_can_enter() {
        let parent = tempfile::tempdir().unwrap();
        let open = parent.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Folder::at(&open).is_err());
    }

    #[test]
    fn refuses_to_write_outside() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::temporary(parent.path(), &FixedRandom::default()).unwrap();
        assert!(folder.write(vec![(PathBuf::from("../x"), Vec::new())]).is_err());
        assert!(folder.write(vec![(PathBuf::from("/x"), Vec::new())]).is_err());
    }
}
