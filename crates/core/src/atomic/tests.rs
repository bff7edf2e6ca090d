use super::{replace_directory as replace_directory_within, *};
use crate::lock::tests::block_on;

fn replace_directory(directory: &Path, files: &[NewFile]) -> Result<(), Error> {
    block_on(replace_directory_within(directory, files, Patience::USUAL))
}

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
fn rejects_a_link_and_leaves_it_and_what_it_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("file"), folder.path().join("link"));
    replace_files(&[NewFile::new(&file, "old")]).unwrap();
    symlink("file", &link).unwrap();
    let error = replace_files(&[NewFile::new(&link, "new")]).unwrap_err();
    assert!(error.to_string().contains("it is a symbolic link"), "{error}");
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("file"));
    assert_eq!(fs::read(&file).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no left-overs");
}

#[test]
fn rejects_a_pipe_and_leaves_it() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    let error = replace_files(&[NewFile::new(&pipe, "new")]).unwrap_err();
    assert!(error.to_string().ends_with("it is not a regular file"), "{error}");
    assert!(!fs::symlink_metadata(&pipe).unwrap().is_file());
}

/// A file that a writer left behind so many seconds ago, by the file system's clock.
fn left(folder: &Path, name: &str, seconds: u64) -> PathBuf {
    let path = folder.join(name);
    let file = File::create_new(&path).unwrap();
    let written = file.metadata().unwrap().modified().unwrap();
    file.set_modified(written - std::time::Duration::from_secs(seconds)).unwrap();
    path
}

#[test]
fn what_killed_writers_of_the_file_left_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let killed = left(folder.path(), ".token.0123456789abcdef.new", 120);
    replace_files(&[NewFile::new(folder.path().join("token"), "t")]).unwrap();
    assert!(!killed.exists());
}

#[test]
fn what_others_may_still_be_writing_stays() {
    let folder = tempfile::tempdir().unwrap();
    let stay = [
        left(folder.path(), ".token.0123456789abcdef.new", 5),
        left(folder.path(), ".other.0123456789abcdef.new", 120),
        left(folder.path(), ".token.0123456789abcde.new", 120),
        left(folder.path(), ".token.0123456789abcdeg.new", 120),
        left(folder.path(), "token.0123456789abcdef.new", 120),
    ];
    fs::create_dir(folder.path().join(".token.1123456789abcdef.new")).unwrap();
    replace_files(&[NewFile::new(folder.path().join("token"), "t")]).unwrap();
    for path in stay {
        assert!(path.exists(), "{}", path.display());
    }
    assert!(folder.path().join(".token.1123456789abcdef.new").exists());
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
