//! Files and folders that one process at a time changes.
//!
//! Nobody is waited for on the caller's thread: it may be the one that takes the signals of the process.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{self, Poll, Waker},
    thread,
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, OFlags, flock},
    io::Errno,
};

use crate::{
    Error,
    atomic::{FILE_MODE, cannot, check_replaceable, file_name, make_directory},
    link::{End, User, follow, parent},
};

/// A file or folder that no other process changes meanwhile.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    /// `None` where there is nobody else.
    lock: Option<File>,
}

impl Held {
    /// What nobody else can change anyway, such as a file in memory.
    pub fn without_lock(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), lock: None }
    }

    /// What is held. For a path that was a symbolic link: the file where it led, which is the one to read and replace.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            // Closing it would not do if a child has inherited it.
            let _ = flock(lock, FlockOperation::Unlock);
        }
    }
}

/// How long to wait for somebody else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How often to ask again.
    tries: u32,
    /// Time before each.
    pause: Duration,
}

impl Patience {
    /// Half a minute. A holder writes a few small files; one that takes longer is stopped or stuck.
    pub(crate) const USUAL: Self = Self { tries: 3000, pause: Duration::from_millis(10) };
}

/// Takes the lock beside a file, not that of the file itself, which is replaced by another. Symbolic links are followed,
/// so that all who change one file meet at one lock, by whatever path they come.
///
/// # Errors
/// [`crate::ErrorKind::Configuration`] when its folder cannot be made or written, when it is not a regular file, and when a
/// link to it belongs to another user; [`crate::ErrorKind::Unreachable`] when somebody else holds it for too long.
pub(crate) async fn hold_file(path: &Path, patience: Patience) -> Result<Held, Error> {
    let path = end_of_links(path, User::own())?;
    check_replaceable(&path)?;
    let folder = parent(&path);
    make_directory(folder)?;
    let name = file_name(&path)?;
    let lock = lock(folder.join(format!(".{name}.lock")), patience).await?;
    Ok(Held { path, lock: Some(lock) })
}

/// Takes the lock in a folder.
///
/// # Errors
/// As [`hold_file`].
pub(crate) async fn hold_directory(directory: &Path, patience: Patience) -> Result<Held, Error> {
    make_directory(directory)?;
    let lock = lock(directory.join(".lock"), patience).await?;
    Ok(Held { path: directory.to_owned(), lock: Some(lock) })
}

fn end_of_links(path: &Path, user: User) -> Result<PathBuf, Error> {
    match follow(path, user).map_err(|error| cannot("follow the symbolic link", path, error))? {
        End::Path(path) => Ok(path),
        End::LinkOfAnotherUser(link) => Err(Error::configuration(format!(
            "follow {}: this symbolic link belongs to another user, who may point it anywhere",
            link.display()
        ))
        .hint("name the file itself, or make the link yourself")),
    }
}

async fn lock(path: PathBuf, patience: Patience) -> Result<File, Error> {
    // A link in its place would have a file made where it points; a pipe would be waited for without end.
    let flags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .custom_flags(flags)
        .open(&path)
        .map_err(|error| cannot("open", &path, error))?;
    if take(&file).map_err(|error| cannot("lock", &path, error))? {
        return Ok(file);
    }
    Waiting::start(file, path, patience)?.await
}

/// Whether the lock is ours now.
fn take(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A lock to come. A thread asks for it again and again; it gives up when this is dropped.
struct Waiting(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    outcome: Option<Result<File, Error>>,
    waker: Option<Waker>,
}

impl Waiting {
    fn start(file: File, path: PathBuf, patience: Patience) -> Result<Self, Error> {
        let slot = Arc::default();
        let waiter = Arc::downgrade(&slot);
        let ask = move || {
            let Some(outcome) = ask(file, &path, patience, &waiter) else { return };
            let Some(slot) = waiter.upgrade() else { return };
            let waker = {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                slot.outcome = Some(outcome);
                slot.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        };
        let started = thread::Builder::new().name("lock".to_owned()).spawn(ask);
        started.map_err(|error| Error::internal("start the thread that waits for a lock").because(error))?;
        Ok(Self(slot))
    }
}

impl Future for Waiting {
    type Output = Result<File, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = slot.outcome.take() {
            return Poll::Ready(outcome);
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// `None` when nobody waits for it any more.
#[expect(clippy::disallowed_methods, reason = "this crate has no runtime, and this thread does nothing else")]
fn ask(file: File, path: &Path, patience: Patience, waiter: &Weak<Mutex<Slot>>) -> Option<Result<File, Error>> {
    for _ in 0..patience.tries {
        thread::sleep(patience.pause);
        if waiter.strong_count() == 0 {
            return None;
        }
        match take(&file) {
            Ok(true) => return Some(Ok(file)),
            Ok(false) => {}
            Err(error) => return Some(Err(cannot("lock", path, error))),
        }
    }
    Some(Err(busy(path, patience)))
}

fn busy(path: &Path, patience: Patience) -> Error {
    let waited = patience.pause.saturating_mul(patience.tries);
    Error::unreachable(format!("lock {}: another process has held it for more than {waited:?}", path.display())).hint(
        format!(
            "`fuser -v {}` names that process: let it finish, or end it, then try again; removing the file frees nothing",
            path.display()
        ),
    )
}

#[cfg(test)]
pub(crate) mod tests;
