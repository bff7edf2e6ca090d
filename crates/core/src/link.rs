//! Symbolic links, followed one at a time, so that the owner of each is known.

use std::{ffi::OsString, io, os::unix::ffi::OsStringExt as _, path::Path, path::PathBuf};

use rustix::{
    fs::{FileType, Mode, OFlags, fstat, open, readlinkat},
    io::Errno,
    process::geteuid,
};

/// Most links on the way to one file; as many as the kernel follows (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// Where the links at a path lead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// To this path, which is no link. There may be nothing yet.
    Path(PathBuf),
    /// Nowhere that may be relied on: this link belongs to another user, who may point it where they like.
    LinkOfAnotherUser(PathBuf),
}

/// Follows the links at `path`, if it is one. Links among its folders are the kernel's to follow.
///
/// # Errors
/// When a link cannot be read, or there are too many of them: `ELOOP`.
pub(crate) fn follow(path: &Path, user: User) -> io::Result<End> {
    let mut path = path.to_owned();
    for _ in 0..=MOST_LINKS {
        let Some((owner, target)) = read_link(&path)? else { return Ok(End::Path(path)) };
        if !user.relies_on(owner) {
            return Ok(End::LinkOfAnotherUser(path));
        }
        path = parent(&path).join(target);
    }
    Err(Errno::LOOP.into())
}

/// Owner and target of a link, both of the one that was opened. `None` when there is none at this path.
fn read_link(path: &Path) -> io::Result<Option<(u32, PathBuf)>> {
    let link = match open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(link) => link,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let stat = fstat(&link)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Ok(None);
    }
    // The empty path is the link that was opened (`readlinkat(2)`).
    let target = readlinkat(&link, c"", Vec::new())?;
    Ok(Some((stat.st_uid, PathBuf::from(OsString::from_vec(target.into_bytes())))))
}

/// The folder of a file.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The user on whose behalf a file is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User(u32);

impl User {
    /// The one that this process runs as.
    pub(crate) fn own() -> Self {
        Self(geteuid().as_raw())
    }

    /// Whether what belongs to `owner` is this user's own, or root's, who can change everything anyway.
    pub(crate) fn relies_on(self, owner: u32) -> bool {
        owner == self.0 || owner == 0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt as _, lchown, symlink},
    };

    use super::*;

    /// Somebody to whom this file or link belongs not, whoever runs the test: root gives it away first, because what is
    /// root's is relied on by everybody.
    pub(crate) fn stranger_to(path: &Path) -> User {
        if fs::symlink_metadata(path).unwrap().uid() == 0 {
            lchown(path, Some(12_345), None).unwrap();
        }
        User(fs::symlink_metadata(path).unwrap().uid() + 1)
    }

    #[test]
    fn what_is_no_link_is_its_own_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert_eq!(follow(&file, User::own()).unwrap(), End::Path(file.clone()), "nothing there yet");
        fs::File::create(&file).unwrap();
        assert_eq!(follow(&file, User::own()).unwrap(), End::Path(file));
    }

    #[test]
    fn links_lead_from_their_own_folder_on() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        fs::create_dir(folder.path().join("sub")).unwrap();
        symlink("two", &one).unwrap();
        symlink("sub/new", &two).unwrap();
        assert_eq!(follow(&one, User::own()).unwrap(), End::Path(folder.path().join("sub/new")));
    }

    #[test]
    fn rejects_links_in_a_circle() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        symlink(&two, &one).unwrap();
        symlink(&one, &two).unwrap();
        assert_eq!(follow(&one, User::own()).unwrap_err().kind(), io::Error::from(Errno::LOOP).kind());
    }

    #[test]
    fn rejects_a_link_of_another_user() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink("file", &link).unwrap();
        let user = stranger_to(&link);
        assert_eq!(follow(&link, user).unwrap(), End::LinkOfAnotherUser(link));
    }
}
