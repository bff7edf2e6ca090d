use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    pin::pin,
    task::Wake,
};

use super::*;
use crate::{ErrorKind, NewFile, link::tests::stranger_to, replace_files};

/// Runs a future on this thread: this crate has no runtime.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut task::Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

fn hold(path: &Path) -> Result<Held, Error> {
    block_on(hold_file(path, Patience::USUAL))
}

/// Gives up almost at once.
const BRIEF: Patience = Patience { tries: 2, pause: Duration::from_millis(1) };

#[test]
fn a_file_that_is_held_is_changed_by_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared");
    thread::scope(|scope| {
        for writer in b'a'..=b'd' {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..10 {
                    let _held = hold(path).unwrap();
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
fn rejects_a_lock_that_somebody_else_keeps_and_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared");
    let _theirs = hold(&path).unwrap();
    let error = block_on(hold_file(&path, BRIEF)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let lock = folder.path().join(".shared.lock").display().to_string();
    assert_eq!(error.to_string(), format!("lock {lock}: another process has held it for more than 2ms"));
    assert!(error.hints()[0].starts_with(&format!("`fuser -v {lock}`")), "{:?}", error.hints());
}

#[test]
fn rejects_a_folder_whose_lock_somebody_else_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let _theirs = block_on(hold_directory(folder.path(), BRIEF)).unwrap();
    let error = block_on(hold_directory(folder.path(), BRIEF)).unwrap_err();
    assert!(error.to_string().contains(&folder.path().join(".lock").display().to_string()), "{error}");
}

#[test]
fn the_thread_that_waits_is_free_for_other_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared");
    let theirs = hold(&path).unwrap();
    let mut ours = Box::pin(hold_file(&path, Patience::USUAL));
    assert!(ours.as_mut().poll(&mut task::Context::from_waker(Waker::noop())).is_pending());
    drop(theirs);
    block_on(ours).unwrap();
}

#[test]
fn who_gives_up_waiting_does_not_get_the_lock_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared");
    let theirs = hold(&path).unwrap();
    let mut given_up = Box::pin(hold_file(&path, Patience::USUAL));
    assert!(given_up.as_mut().poll(&mut task::Context::from_waker(Waker::noop())).is_pending());
    drop(given_up);
    drop(theirs);
    hold(&path).unwrap();
    let file = File::open(folder.path().join(".shared.lock")).unwrap();
    assert!(ask(file, &path, BRIEF, &Weak::new()).is_none(), "the lock is free, and nobody wants it any more");
}

#[test]
fn a_link_is_held_where_it_leads() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (link, file) = (folder.path().join("config"), elsewhere.path().join("made/real"));
    symlink(&file, &link).unwrap();
    let held = hold(&link).unwrap();
    assert_eq!(held.path(), file);
    assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(elsewhere.path().join("made/.real.lock").exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing beside the link");
    block_on(hold_file(&file, BRIEF)).unwrap_err();
}

#[test]
fn rejects_links_in_a_circle() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("config");
    symlink(&link, &link).unwrap();
    let error = hold(&link).unwrap_err();
    assert_eq!(error.to_string(), format!("follow the symbolic link {}", link.display()));
}

#[test]
fn rejects_a_link_of_another_user() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let link = folder.path().join("config");
    symlink(elsewhere.path().join("theirs"), &link).unwrap();
    let error = end_of_links(&link, stranger_to(&link)).unwrap_err();
    assert!(error.to_string().contains("belongs to another user"), "{error}");
}

#[test]
fn rejects_a_pipe_in_the_place_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("config");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    let error = hold(&pipe).unwrap_err();
    assert!(error.to_string().ends_with("it is not a regular file"), "{error}");
}
