//! A world for tests: a clock that is moved by hand, an environment that is a map, nothing else unless given.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ::http::{HeaderName, HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};

use crate::{
    BoxFuture, Clock, Command, CommandOutput, Commands, Context, Environment, Error, Files, HttpError, HttpErrorKind,
    HttpSend, NewFile, Random, Request, Response, SecretBytes, Unnamed,
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

    fn read_unnamed(&self, path: &Path, limit: usize) -> Result<Option<Unnamed>, Error> {
        Ok(self.read(path, limit)?.map(Unnamed::Bytes))
    }

    fn replace(&self, files: &[NewFile]) -> Result<(), Error> {
        for file in files {
            self.put(&file.path, file.content.expose().to_vec());
        }
        Ok(())
    }

    fn replace_directory<'a>(&'a self, directory: &'a Path, files: &'a [NewFile]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            for file in files {
                self.put(directory.join("current").join(&file.path), file.content.expose().to_vec());
            }
            Ok(())
        })
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

/// A network that answers by script: each request gets the next answer and is kept, so that a test can look at the
/// bytes that were sent.
#[derive(Debug, Default)]
pub struct ScriptedHttp {
    answers: Mutex<VecDeque<Result<Response, HttpError>>>,
    requests: Mutex<Vec<Request>>,
}

impl ScriptedHttp {
    /// Adds an answer with this status and body.
    #[must_use]
    pub fn answer(self, status: u16, body: impl Into<Vec<u8>>) -> Self {
        self.answer_with(status, &[], body)
    }

    /// Adds an answer with this status, these headers and this body.
    #[must_use]
    pub fn answer_with(self, status: u16, headers: &[(&'static str, &'static str)], body: impl Into<Vec<u8>>) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.push(Ok(Response { status, headers, body: SecretBytes::new(body) }))
    }

    /// Adds a request that gets no answer, for this reason.
    #[must_use]
    pub fn fail(self, kind: HttpErrorKind) -> Self {
        self.push(Err(HttpError { kind, message: "as the script says".to_owned(), cause: None }))
    }

    /// The requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(self, answer: Result<Response, HttpError>) -> Self {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer);
        self
    }
}

impl HttpSend for ScriptedHttp {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, HttpError>> {
        let message = format!("{request:?}: the script has no more answers");
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let answer = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        Box::pin(async move { answer.unwrap_or(Err(HttpError { kind: HttpErrorKind::Blocked, message, cause: None })) })
    }
}

/// Programs that answer by script, whatever is run: exit status, standard output, standard error.
#[derive(Debug, Default)]
pub struct ScriptedCommands {
    answers: Mutex<VecDeque<(Option<i32>, String, String)>>,
    commands: Mutex<Vec<Command>>,
}

impl ScriptedCommands {
    /// Adds how a program ends and what it prints to standard output and standard error.
    #[must_use]
    pub fn answer(self, status: Option<i32>, stdout: impl Into<String>, stderr: impl Into<String>) -> Self {
        let answer = (status, stdout.into(), stderr.into());
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer);
        self
    }

    /// The programs run so far, in order.
    pub fn commands(&self) -> Vec<Command> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Commands for ScriptedCommands {
    fn run(&self, command: Command) -> BoxFuture<'_, Result<CommandOutput, Error>> {
        let message = format!("{command:?}: the script has no more answers");
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        let answer = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        Box::pin(async move {
            let (status, stdout, stderr) = answer.ok_or_else(|| Error::configuration(message))?;
            Ok(CommandOutput { status, stdout: SecretBytes::new(stdout), stderr: SecretBytes::new(stderr) })
        })
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
