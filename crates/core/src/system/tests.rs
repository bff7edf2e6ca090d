use std::os::unix::fs::symlink;

use super::*;
use crate::link::tests::stranger_to;

fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    atomic::replace_files(&[NewFile::new(&path, content)]).unwrap();
    path
}

/// What was read, or `None` of another user's.
fn own(read: Unnamed) -> Option<Vec<u8>> {
    match read {
        Unnamed::Bytes(bytes) => Some(bytes.expose().to_vec()),
        Unnamed::OfAnotherUser => None,
    }
}

#[test]
fn accepts_a_file_of_ones_own_that_nobody_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "carnet.toml", "mine");
    assert_eq!(own(SystemFiles.read_unnamed(&path, 4).unwrap().unwrap()).unwrap(), b"mine");
    let link = folder.path().join("link");
    symlink("carnet.toml", &link).unwrap();
    assert_eq!(own(SystemFiles.read_unnamed(&link, 4).unwrap().unwrap()).unwrap(), b"mine");
}

#[test]
fn what_is_not_there_is_not_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(SystemFiles.read_unnamed(&folder.path().join("carnet.toml"), 4).unwrap().is_none());
}

#[test]
fn rejects_a_file_of_another_user_that_nobody_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "carnet.toml", "theirs");
    assert!(own(read_unnamed(&path, 100, stranger_to(&path)).unwrap().unwrap()).is_none());
}

#[test]
fn rejects_a_link_of_another_user_to_a_file_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "notes", "mine");
    let link = folder.path().join("carnet.toml");
    symlink(&path, &link).unwrap();
    let user = stranger_to(&link);
    // Root's file is relied on by everybody, so that only the link can be what is refused.
    if rustix::process::geteuid().is_root() {
        assert_eq!(own(read_unnamed(&path, 100, user).unwrap().unwrap()).unwrap(), b"mine");
    }
    assert!(own(read_unnamed(&link, 100, user).unwrap().unwrap()).is_none());
}

#[test]
fn owner_and_content_are_those_of_the_file_that_was_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "carnet.toml", "theirs");
    let stranger = stranger_to(&path);
    let opened = File::open(&path).unwrap();
    // Another file takes its place before anybody looks: neither the owner nor the content of that one counts.
    file(folder.path(), "carnet.toml", "mine");
    assert!(own(read_opened(&path, opened, 100, stranger).unwrap()).is_none());
    let opened = File::open(&path).unwrap();
    stranger_to(&file(folder.path(), "carnet.toml", "theirs"));
    assert_eq!(own(read_opened(&path, opened, 100, User::own()).unwrap()).unwrap(), b"mine");
}

#[test]
fn rejects_a_pipe_that_nobody_named_without_waiting_for_its_writer() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("carnet.toml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    let error = SystemFiles.read_unnamed(&pipe, 100).unwrap_err();
    assert!(error.to_string().ends_with("it is not a regular file"), "{error}");
}

#[test]
fn rejects_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let error = SystemFiles.read_unnamed(folder.path(), 100).unwrap_err();
    assert!(error.to_string().ends_with("it is not a regular file"), "{error}");
    let error = SystemFiles.read(folder.path(), 100).unwrap_err();
    assert!(error.to_string().ends_with("it is a folder, not a file"), "{error}");
}

#[test]
fn rejects_a_file_that_is_larger_than_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "carnet.toml", "12345");
    let error = SystemFiles.read_unnamed(&path, 4).unwrap_err();
    assert!(error.to_string().ends_with("it is larger than 4 bytes"), "{error}");
}
