//! Errors with a kind, a cause chain and hints.

use std::{error::Error as StdError, fmt};

use crate::FileMistake;

/// A result whose error is carnet's own.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is. Decides the exit code (`cli`) and whether a retry makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// A mistake in carnet itself.
    Internal,
    /// A mistake in the configuration, the arguments or a file that the user gave.
    Configuration,
    /// No identity was found in this place.
    NotHere,
    /// The other side answered and said no.
    Refused,
    /// The other side could not be reached, or did not answer in time or in form.
    Unreachable,
    /// Something has expired, or the clocks disagree.
    Expired,
    /// A rule denies it.
    Policy,
}

impl ErrorKind {
    /// The exit code of a command that fails this way.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Configuration => 2,
            Self::NotHere => 3,
            Self::Refused => 4,
            Self::Unreachable => 5,
            Self::Expired => 6,
            Self::Policy => 7,
        }
    }
}

/// One thing that the reader can do about it.
pub type Hint = String;

/// What went wrong: what was attempted and on what, in lower case and without a full stop. The cause is kept
/// apart as the source, hints for people apart from both. It never holds a token, a key or an upstream body.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    hints: Vec<Hint>,
    step: Option<String>,
    code: Option<String>,
    clause: Option<String>,
    mistakes: Vec<FileMistake>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            hints: Vec::new(),
            step: None,
            code: None,
            clause: None,
            mistakes: Vec::new(),
            cause: None,
        }))
    }

    /// [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// [`ErrorKind::Configuration`].
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Configuration, message)
    }

    /// [`ErrorKind::NotHere`].
    pub fn not_here(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotHere, message)
    }

    /// [`ErrorKind::Refused`].
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// [`ErrorKind::Unreachable`].
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unreachable, message)
    }

    /// [`ErrorKind::Expired`].
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Expired, message)
    }

    /// [`ErrorKind::Policy`].
    pub fn policy(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Policy, message)
    }

    /// Keeps what caused it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Adds something the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Names the step of the route, unless an inner step is named already.
    #[must_use]
    pub fn at_step(mut self, step: impl Into<String>) -> Self {
        self.0.step.get_or_insert_with(|| step.into());
        self
    }

    /// The other side's own error code, for instance `invalid_grant` or `NotAuthenticated`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// The clause of the trust that failed, as far as it is known or can be inferred, for instance `audience`.
    #[must_use]
    pub fn clause(mut self, clause: impl Into<String>) -> Self {
        self.0.clause = Some(clause.into());
        self
    }

    /// The mistakes that the message tells of, one by one.
    #[must_use]
    pub fn mistakes(mut self, mistakes: impl IntoIterator<Item = FileMistake>) -> Self {
        self.0.mistakes.extend(mistakes);
        self
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the reader can do about it; inner errors' hints come after.
    pub fn hints(&self) -> Vec<&str> {
        let mut hints: Vec<&str> = self.0.hints.iter().map(String::as_str).collect();
        if let Some(inner) = self.0.cause.as_deref().and_then(|cause| cause.downcast_ref::<Self>()) {
            hints.extend(inner.hints());
        }
        hints
    }

    /// The step of the route where it happened.
    pub fn step(&self) -> Option<&str> {
        self.0.step.as_deref()
    }

    /// The other side's own error code, of this error or of its causes.
    pub fn provider_code(&self) -> Option<&str> {
        self.0.code.as_deref().or_else(|| self.inner().and_then(Self::provider_code))
    }

    /// The clause that failed, of this error or of its causes.
    pub fn failed_clause(&self) -> Option<&str> {
        self.0.clause.as_deref().or_else(|| self.inner().and_then(Self::failed_clause))
    }

    /// The mistakes in files that this error, or its cause, tells of. Empty when it is about something else.
    pub fn file_mistakes(&self) -> &[FileMistake] {
        match self.inner() {
            Some(inner) if self.0.mistakes.is_empty() => inner.file_mistakes(),
            _ => &self.0.mistakes,
        }
    }

    /// Whether the same attempt may succeed later without a change.
    pub fn is_retryable(&self) -> bool {
        self.0.kind == ErrorKind::Unreachable
    }

    fn inner(&self) -> Option<&Self> {
        self.0.cause.as_deref().and_then(|cause| cause.downcast_ref::<Self>())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, chain(self).join(": "))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

/// The messages of an error and of all its causes, outermost first.
pub fn chain(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut messages = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        messages.push(error.to_string());
        next = error.source();
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_and_the_hints_keep_their_order() {
        let inner = Error::unreachable("connect to 127.0.0.1:1").hint("start the server").code("ECONNREFUSED");
        let outer = Error::refused("exchange the token").because(inner).hint("look at the cause");
        assert_eq!(chain(&outer), ["exchange the token", "connect to 127.0.0.1:1"]);
        assert_eq!(outer.hints(), ["look at the cause", "start the server"]);
        assert_eq!(outer.provider_code(), Some("ECONNREFUSED"));
        assert_eq!(outer.kind().exit_code(), 4);
    }

    #[test]
    fn the_innermost_step_wins() {
        let error = Error::refused("x").at_step("gcp").at_step("outer");
        assert_eq!(error.step(), Some("gcp"));
    }
}
