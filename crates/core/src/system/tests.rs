use std::{io::Write as _, os::unix::fs::symlink};

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

fn pipe(folder: &Path) -> PathBuf {
    let pipe = folder.join("token");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    pipe
}

#[test]
fn reads_a_pipe_that_was_named_until_its_writer_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || {
            let mut pipe = OpenOptions::new().write(true).open(pipe).unwrap();
            pipe.write_all(b"one ").unwrap();
            pipe.write_all(b"and two").unwrap();
        }
    });
    assert_eq!(SystemFiles.read(&pipe, 100).unwrap().unwrap().expose(), b"one and two");
    writer.join().unwrap();
}

#[test]
fn rejects_a_pipe_that_nobody_writes() {
    let folder = tempfile::tempdir().unwrap();
    let error = read_named(&pipe(folder.path()), 100, Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Configuration);
    assert!(error.hints().iter().any(|hint| hint.contains("a pipe that was not written")), "{error}");
}

#[test]
fn rejects_a_pipe_whose_writer_does_not_close_it() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    // Open at both ends, so that opening waits for nobody.
    let mut writer = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    writer.write_all(b"one").unwrap();
    let error = read_named(&pipe, 100, Duration::from_millis(1)).unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.contains("not closed by its writer")), "{error}");
}

#[test]
fn rejects_a_pipe_that_delivers_more_than_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    let mut writer = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    writer.write_all(b"12345").unwrap();
    let error = SystemFiles.read(&pipe, 4).unwrap_err();
    assert!(error.to_string().ends_with("it is larger than 4 bytes"), "{error}");
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
