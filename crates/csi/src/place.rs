//! Target paths as folders that are held open: what was looked at is what is mounted on, whatever is renamed meanwhile.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, mkdirat, open, openat, statat, unlinkat},
    io::Errno,
};

use crate::Target;

/// The mode of the folder that is made for a volume: nobody but root sees it before something is mounted there.
const MODE: u32 = 0o750;

/// How a folder on the way is opened: to lead further, and for nothing else.
const ON_THE_WAY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A name in a folder that is held open. The way there went over no symbolic link below the kubelet's folder.
#[derive(Debug)]
pub struct Place {
    parent: OwnedFd,
    name: String,
    path: PathBuf,
}

/// Why the way to a place cannot be gone.
#[derive(Debug)]
pub(crate) enum PlaceError {
    /// There is no such folder.
    Missing(PathBuf),
    /// A symbolic link is on the way.
    Link(PathBuf),
    /// Something that is no folder is on the way.
    NotAFolder(PathBuf),
    /// The system refuses.
    System(PathBuf, io::Error),
}

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Nothing,
    Link,
    /// A folder, or something mounted, or anything else.
    Something,
}

impl Place {
    /// Goes there from the kubelet's folder, one folder at a time. The kubelet's folder itself is the operator's word and may be
    /// a symbolic link.
    ///
    /// # Errors
    /// When a folder on the way is missing or is none.
    pub(crate) fn open(target: &Target) -> Result<Self, PlaceError> {
        let mut path = target.kubelet().to_owned();
        let mut parent = open(&path, ON_THE_WAY, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => PlaceError::Missing(path.clone()),
            other => PlaceError::System(path.clone(), other.into()),
        })?;
        for folder in target.folders() {
            path.push(folder);
            let next = openat(&parent, folder, ON_THE_WAY | OFlags::NOFOLLOW, Mode::empty());
            parent = next.map_err(|errno| refused(&parent, folder, &path, errno))?;
        }
        path.push(target.name());
        Ok(Self { parent, name: target.name().to_owned(), path })
    }

    /// The folder in which it is.
    pub fn parent(&self) -> BorrowedFd<'_> {
        self.parent.as_fd()
    }

    /// Its name there.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is called, for people.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is there. A mount whose file system is gone cannot be looked at and is something.
    pub(crate) fn entry(&self) -> Entry {
        match statat(&self.parent, self.name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Symlink => Entry::Link,
            Err(Errno::NOENT) => Entry::Nothing,
            Ok(_) | Err(_) => Entry::Something,
        }
    }

    /// Makes the folder. Whether it was missing.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn make(&self) -> io::Result<bool> {
        match mkdirat(&self.parent, self.name.as_str(), Mode::from_raw_mode(MODE)) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Removes the folder, which must be empty. That it is gone already is as good.
    ///
    /// # Errors
    /// When it is not empty, no folder, or the system refuses.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match unlinkat(&self.parent, self.name.as_str(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Why a folder on the way could not be opened. A link is told from other things by looking again; it is refused either way.
fn refused(parent: &OwnedFd, name: &str, path: &Path, errno: Errno) -> PlaceError {
    let path = path.to_owned();
    match errno {
        Errno::NOENT => PlaceError::Missing(path),
        Errno::NOTDIR | Errno::LOOP => {
            let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
            match found.map(|found| FileType::from_raw_mode(found.st_mode)) {
                Ok(FileType::Symlink) => PlaceError::Link(path),
                _ => PlaceError::NotAFolder(path),
            }
        }
        other => PlaceError::System(path, other.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn open_below(kubelet: &Path, path: &str) -> Result<Place, PlaceError> {
        Place::open(&Target::below(kubelet, &format!("{}/{path}", kubelet.display())).unwrap())
    }

    #[test]
    fn a_folder_is_made_found_and_removed() {
        let kubelet = tempfile::tempdir().unwrap();
        fs::create_dir(kubelet.path().join("pods")).unwrap();
        let place = open_below(kubelet.path(), "pods/mount").unwrap();
        assert_eq!(place.entry(), Entry::Nothing);
        assert!(place.make().unwrap() && !place.make().unwrap());
        assert_eq!(place.entry(), Entry::Something);
        assert!(kubelet.path().join("pods/mount").is_dir());
        place.remove().unwrap();
        place.remove().unwrap();
        assert_eq!(place.entry(), Entry::Nothing);
    }

    #[test]
    fn a_link_on_the_way_is_refused_wherever_it_leads() {
        let kubelet = tempfile::tempdir().unwrap();
        fs::create_dir(kubelet.path().join("pods")).unwrap();
        symlink("pods", kubelet.path().join("link")).unwrap();
        symlink("nowhere", kubelet.path().join("dangling")).unwrap();
        for name in ["link", "dangling"] {
            let refused = open_below(kubelet.path(), &format!("{name}/mount"));
            assert!(matches!(&refused, Err(PlaceError::Link(path)) if path.ends_with(name)), "{refused:?}");
        }
    }

    #[test]
    fn a_link_at_the_end_is_seen_and_not_followed() {
        let kubelet = tempfile::tempdir().unwrap();
        symlink("/etc", kubelet.path().join("mount")).unwrap();
        let place = open_below(kubelet.path(), "mount").unwrap();
        assert_eq!(place.entry(), Entry::Link);
        assert!(place.remove().is_err());
        assert!(kubelet.path().join("mount").is_symlink());
    }

    #[test]
    fn a_file_on_the_way_is_refused() {
        let kubelet = tempfile::tempdir().unwrap();
        fs::File::create(kubelet.path().join("file")).unwrap();
        let refused = open_below(kubelet.path(), "file/mount");
        assert!(matches!(refused, Err(PlaceError::NotAFolder(_))), "{refused:?}");
    }

    #[test]
    fn a_missing_folder_is_told_from_others() {
        let kubelet = tempfile::tempdir().unwrap();
        assert!(matches!(open_below(kubelet.path(), "pods/mount"), Err(PlaceError::Missing(_))));
        assert!(matches!(open_below(Path::new("/nowhere/at/all"), "mount"), Err(PlaceError::Missing(_))));
    }

    #[test]
    fn the_kubelets_folder_itself_may_be_a_link() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("real")).unwrap();
        symlink("real", folder.path().join("kubelet")).unwrap();
        assert!(open_below(&folder.path().join("kubelet"), "mount").unwrap().make().unwrap());
        assert!(folder.path().join("real/mount").is_dir());
    }

    #[test]
    fn a_place_stays_where_it_was_when_its_path_leads_elsewhere() {
        let kubelet = tempfile::tempdir().unwrap();
        fs::create_dir_all(kubelet.path().join("pods/a")).unwrap();
        let place = open_below(kubelet.path(), "pods/a/mount").unwrap();
        let moved = kubelet.path().join("moved");
        rustix::fs::rename(kubelet.path().join("pods/a"), &moved).unwrap();
        symlink("/etc", kubelet.path().join("pods/a")).unwrap();
        place.make().unwrap();
        assert!(moved.join("mount").is_dir());
    }
}
