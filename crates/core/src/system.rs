//! The real clock, randomness, environment and files. The only readers of the system's own.

use std::{
    io::Read,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use crate::{Clock, Environment, Error, Files, Held, NewFile, Random, SecretBytes, atomic};

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
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemFiles;

impl Files for SystemFiles {
    fn read(&self, path: &Path, limit: usize) -> Result<Option<SecretBytes>, Error> {
        let cannot = |error: std::io::Error| Error::configuration(format!("read {}", path.display())).because(error);
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot(error)),
        };
        if file.metadata().map_err(cannot)?.is_dir() {
            return Err(Error::configuration(format!("read {}: it is a folder, not a file", path.display())));
        }
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = file.take(most).read_to_end(&mut bytes).map_err(cannot);
        let bytes = SecretBytes::new(bytes);
        read?;
        if bytes.len() > limit {
            return Err(Error::configuration(format!("read {}: it is larger than {limit} bytes", path.display())));
        }
        Ok(Some(bytes))
    }

    fn replace(&self, files: &[NewFile]) -> Result<(), Error> {
        atomic::replace_files(files)
    }

    fn replace_directory(&self, directory: &Path, files: &[NewFile]) -> Result<(), Error> {
        atomic::replace_directory(directory, files)
    }

    fn hold(&self, path: &Path) -> Result<Held, Error> {
        atomic::hold_file(path)
    }

    fn others_may_read(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
    }

    fn of_another_user(&self, path: &Path) -> bool {
        let own = rustix::process::geteuid().as_raw();
        std::fs::metadata(path).is_ok_and(|metadata| metadata.uid() != own && metadata.uid() != 0)
    }

    fn home(&self) -> Option<PathBuf> {
        SystemEnvironment.get("HOME").map(PathBuf::from)
    }
}
