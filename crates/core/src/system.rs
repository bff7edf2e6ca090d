//! The real clock, randomness, environment and files. The only readers of the system's own.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rustix::fs::OFlags;

use crate::{
    BoxFuture, Clock, Environment, Error, Files, Held, NewFile, Random, SecretBytes, Unnamed, atomic,
    link::{End, User, follow},
    lock::{Patience, hold_file},
};
use pipe::PatientPipe;

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the system's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The kernel's random number generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::panic, reason = "without randomness nothing safe can be done, and the kernel always has some")]
    fn fill(&self, buffer: &mut [u8]) {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
                Ok(count) => filled = filled.saturating_add(count),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("invariant: getrandom answers: {error}"),
            }
        }
    }
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the process's environment")]
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the process's environment")]
    fn is_garbled(&self, name: &str) -> bool {
        std::env::var_os(name).is_some_and(|value| value.to_str().is_none())
    }
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemFiles;

impl Files for SystemFiles {
    fn read(&self, path: &Path, limit: usize) -> Result<Option<SecretBytes>, Error> {
        read_named(path, limit, pipe::PATIENCE)
    }

    fn read_unnamed(&self, path: &Path, limit: usize) -> Result<Option<Unnamed>, Error> {
        read_unnamed(path, limit, User::own())
    }

    fn replace(&self, files: &[NewFile]) -> Result<(), Error> {
        atomic::replace_files(files)
    }

    fn replace_directory<'a>(&'a self, directory: &'a Path, files: &'a [NewFile]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(atomic::replace_directory(directory, files, Patience::USUAL))
    }

    fn hold<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Held, Error>> {
        Box::pin(hold_file(path, Patience::USUAL))
    }

    fn others_may_read(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
    }

    fn home(&self) -> Option<PathBuf> {
        SystemEnvironment.get("HOME").map(PathBuf::from)
    }
}

/// Opening a pipe does not wait for its writer (fifo(7)); its reading does, as whoever named one means it.
fn read_named(path: &Path, limit: usize, patience: Duration) -> Result<Option<SecretBytes>, Error> {
    let flags = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits().cast_signed();
    let Some(file) = found(path, OpenOptions::new().read(true).custom_flags(flags).open(path))? else {
        return Ok(None);
    };
    let metadata = file.metadata().map_err(|error| cannot(path, error))?;
    if metadata.is_dir() {
        return Err(Error::configuration(format!("read {}: it is a folder, not a file", path.display()))
            .hint("name a file in it"));
    }
    let content = if metadata.is_file() {
        read_to_end(path, file, limit)
    } else {
        read_to_end(path, PatientPipe::new(file, patience), limit)
    };
    content.map(Some)
}

fn read_unnamed(path: &Path, limit: usize, user: User) -> Result<Option<Unnamed>, Error> {
    let end = match follow(path, user).map_err(|error| cannot(path, error))? {
        End::Path(end) => end,
        End::LinkOfAnotherUser(_) => return Ok(Some(Unnamed::OfAnotherUser)),
    };
    // Opening a pipe would wait for its writer, and a terminal must not become that of the process. A link that has come into
    // the place of the file meanwhile is nobody's.
    let flags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(&end);
    found(path, opened)?.map(|file| read_opened(path, file, limit, user)).transpose()
}

/// Owner and content of one open file, whatever stands at its path by now.
fn read_opened(path: &Path, file: File, limit: usize, user: User) -> Result<Unnamed, Error> {
    let metadata = file.metadata().map_err(|error| cannot(path, error))?;
    if !user.relies_on(metadata.uid()) {
        return Ok(Unnamed::OfAnotherUser);
    }
    if !metadata.is_file() {
        return Err(Error::configuration(format!("read {}: it is not a regular file", path.display()))
            .hint("put a file of its own there"));
    }
    read_to_end(path, file, limit).map(Unnamed::Bytes)
}

fn found<T>(path: &Path, opened: io::Result<T>) -> Result<Option<T>, Error> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot(path, error)),
    }
}

fn read_to_end(path: &Path, from: impl Read, limit: usize) -> Result<SecretBytes, Error> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = from.take(most).read_to_end(&mut bytes);
    // Wrapped before anything can fail, so that it is wiped in any case.
    let bytes = SecretBytes::new(bytes);
    read.map_err(|error| cannot(path, error))?;
    if bytes.len() > limit {
        return Err(Error::configuration(format!("read {}: it is larger than {limit} bytes", path.display()))
            .hint("see whether it is the file that was meant"));
    }
    Ok(bytes)
}

fn cannot(path: &Path, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "let this user read it, or name another file",
        io::ErrorKind::TimedOut => "it is a pipe that was not written, or not closed by its writer: see that one",
        _ => "see what is at that path",
    };
    Error::configuration(format!("read {}", path.display())).because(error).hint(hint)
}

mod pipe;
#[cfg(test)]
mod tests;
