//! A world for tests: a clock that is moved by hand, an environment that is a map, nothing else unless given.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    BoxFuture, Clock, Command, CommandOutput, Commands, Context, Environment, Error, Files, HttpError, HttpErrorKind,
    HttpSend, NewFile, Random, Request, Response, SecretBytes,
};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct FixedClock(Mutex<Timestamp>);

impl FixedClock {
    /// A clock that shows this time.
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves it, forwards or backwards.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(Timestamp::MAX);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts up, so that tests are repeatable. Never for anything but tests.
#[derive(Debug, Default)]
pub struct FixedRandom(Mutex<u8>);

impl Random for FixedRandom {
    fn fill(&self, buffer: &mut [u8]) {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in buffer {
            *next = next.wrapping_add(1);
            *byte = *next;
        }
    }
}

/// An environment that is a map.
#[derive(Debug, Default)]
pub struct MapEnvironment(pub BTreeMap<String, String>);

impl MapEnvironment {
    /// These variables and no others.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }
}

impl Environment for MapEnvironment {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

/// Files that are a map.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    files: Mutex<BTreeMap<PathBuf, SecretBytes>>,
}

impl MemoryFiles {
    /// Puts a file there.
    pub fn put(&self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.insert(path.into(), SecretBytes::new(content));
    }

    /// What is in a file.
    pub fn get(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.get(path.as_ref()).map(|content| content.expose().to_vec())
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &Path, limit: usize) -> Result<Option<SecretBytes>, Error> {
        match self.get(path) {
            Some(bytes) if bytes.len() > limit => {
                Err(Error::configuration(format!("read {}: it is larger than {limit} bytes", path.display())))
            }
            found => Ok(found.map(SecretBytes::new)),
        }
    }

    fn replace(&self, files: &[NewFile]) -> Result<(), Error> {
        for file in files {
            self.put(&file.path, file.content.expose().to_vec());
        }
        Ok(())
    }

    fn replace_directory(&self, directory: &Path, files: &[NewFile]) -> Result<(), Error> {
        for file in files {
            self.put(directory.join("current").join(&file.path), file.content.expose().to_vec());
        }
        Ok(())
    }

    fn home(&self) -> Option<PathBuf> {
        Some(PathBuf::from("/home/user"))
    }
}

/// A network that is not there.
#[derive(Debug, Default)]
pub struct NoHttp;

impl HttpSend for NoHttp {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        let message = format!("{request:?}: this context has no network");
        Box::pin(async move { Err(HttpError { kind: HttpErrorKind::Blocked, message, cause: None }) })
    }
}

/// No program can be run.
#[derive(Debug, Default)]
pub struct NoCommands;

impl Commands for NoCommands {
    fn run(&self, command: Command) -> BoxFuture<'_, Result<CommandOutput, Error>> {
        Box::pin(async move { Err(Error::configuration(format!("{command:?}: this context runs no programs"))) })
    }
}

/// A context that can do nothing; give it what the test needs. Its clock shows 2026-11-21 12:00:00 UTC.
pub fn test_context() -> Context {
    let now = Timestamp::from_second(1_795_262_400).unwrap_or(Timestamp::UNIX_EPOCH);
    Context {
        clock: Arc::new(FixedClock::at(now)),
        random: Arc::new(FixedRandom::default()),
        http: Arc::new(NoHttp),
        environment: Arc::new(MapEnvironment::default()),
        files: Arc::new(MemoryFiles::default()),
        commands: Arc::new(NoCommands),
    }
}
