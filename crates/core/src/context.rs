//! The world, as far as a provider may touch it.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{BoxFuture, Error, Held, HttpSend, NewFile, Secret, SecretBytes};

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Gives random bytes that nobody can guess.
pub trait Random: Send + Sync + fmt::Debug {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);
}

/// Reads environment variables.
pub trait Environment: Send + Sync + fmt::Debug {
    /// The value, if the variable is set, not empty and UTF-8.
    fn get(&self, name: &str) -> Option<String>;

    /// Whether the variable is set to bytes that are not UTF-8. [`Self::get`] then has nothing, but "not set" would send the
    /// reader to the wrong place.
    fn is_garbled(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// The value as a secret.
    fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name).map(Secret::new)
    }
}

/// Reads and replaces files.
pub trait Files: Send + Sync + fmt::Debug {
    /// The whole file, or `None` when it does not exist. A pipe is read until its writer closes it.
    ///
    /// # Errors
    /// When it cannot be read, is not a file, is larger than `limit` bytes, or is a pipe that is not written and closed within
    /// 30 s.
    fn read(&self, path: &Path, limit: usize) -> Result<Option<SecretBytes>, Error>;

    /// The file at a usual place, which nobody named, if it may be relied on: read from the very file whose owner was looked
    /// at. `None` when it does not exist.
    ///
    /// # Errors
    /// When it cannot be read, is not a regular file, or is larger than `limit` bytes.
    fn read_unnamed(&self, path: &Path, limit: usize) -> Result<Option<Unnamed>, Error>;

    /// Writes each file to a new name beside it with mode 0600, syncs it and renames it. When one cannot be written,
    /// none is replaced.
    ///
    /// # Errors
    /// When a file cannot be written, or a path is there and not a regular file; a symbolic link is none. What was there
    /// before is still there.
    fn replace(&self, files: &[NewFile]) -> Result<(), Error>;

    /// Replaces a set of files under `directory` so that a reader who goes through `directory/current` sees either
    /// all of the old ones or all of the new ones (a symbolic link is swapped).
    ///
    /// Another writer is waited for, but not without end. Dropping the future ends the waiting.
    ///
    /// # Errors
    /// When a file cannot be written, or another writer does not finish. What was there before is still there.
    fn replace_directory<'a>(&'a self, directory: &'a Path, files: &'a [NewFile]) -> BoxFuture<'a, Result<(), Error>>;

    /// Waits until no other process holds this file, and holds it until what is returned is dropped. For a file that
    /// several processes change: each holds it from reading to replacing, so that no change is lost. The file to read and
    /// replace is [`Held::path`]: where `path` leads if it is a symbolic link.
    ///
    /// The wait has an end, and dropping the future ends it at once.
    ///
    /// # Errors
    /// When the folder of the file cannot be written, the file is not a regular one, a link to it belongs to another user, or
    /// another process holds it for too long; then the error names the lock.
    fn hold<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Held, Error>> {
        Box::pin(async move { Ok(Held::without_lock(path)) })
    }

    /// Whether users other than the owner may read the file. `false` when that cannot be known.
    fn others_may_read(&self, path: &Path) -> bool {
        let _ = path;
        false
    }

    /// The user's home folder, if there is one.
    fn home(&self) -> Option<std::path::PathBuf>;
}

/// What is in a file that nobody named.
#[derive(Debug)]
pub enum Unnamed {
    /// The whole of it. It belongs to this user or to root.
    Bytes(SecretBytes),
    /// It, or a symbolic link on the way to it, belongs to somebody else. Nothing of it was read.
    OfAnotherUser,
}

/// A program to run: no shell, arguments as they are.
#[derive(Clone)]
pub struct Command {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Variables added to the environment of the child.
    pub environment: Vec<(String, Secret)>,
    /// Longest time it may take.
    pub timeout: Duration,
    /// Largest output that is read, in bytes.
    pub max_output: usize,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments may hold what somebody should not have put there.
        write!(f, "Command({})", self.argv.first().map_or("", String::as_str))
    }
}

/// What a program printed and how it ended.
#[derive(Debug)]
pub struct CommandOutput {
    /// Exit status, or `None` when a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: SecretBytes,
    /// Standard error; may quote a token, so treat it as one.
    pub stderr: SecretBytes,
}

/// Runs programs.
pub trait Commands: Send + Sync + fmt::Debug {
    /// Runs it to its end. Standard input is empty.
    fn run(&self, command: Command) -> BoxFuture<'_, Result<CommandOutput, Error>>;
}

/// Everything a source, exchange or delivery may use of the world. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub random: Arc<dyn Random>,
    /// HTTP.
    pub http: Arc<dyn HttpSend>,
    /// Environment variables.
    pub environment: Arc<dyn Environment>,
    /// Files.
    pub files: Arc<dyn Files>,
    /// Programs.
    pub commands: Arc<dyn Commands>,
}

impl Context {
    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An environment variable that is set and not empty.
    pub fn env(&self, name: &str) -> Option<String> {
        self.environment.get(name)
    }

    /// `N` random bytes as lower-case hexadecimal.
    pub fn random_hex<const N: usize>(&self) -> String {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        hex(&bytes)
    }
}

/// Whether a shell takes this as the name of an environment variable (POSIX.1-2017, XBD 3.235), in either case.
pub fn is_variable_name(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    letters && !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}
