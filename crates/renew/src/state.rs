//! What is known about one key.

use std::{fmt, sync::Arc};

use carnet_core::{Error, ErrorKind};
use jiff::Timestamp;

/// Why the last fetch of a key failed. Cheap to clone, since every waiting caller gets it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What went wrong.
    pub error: Arc<Error>,
    /// When it went wrong.
    pub at: Timestamp,
    /// Failures in a row, this one included.
    pub in_a_row: u32,
    /// About when the next attempt is made.
    pub retry_at: Timestamp,
}

/// What is known about one key.
#[derive(Debug)]
pub enum State<V> {
    /// The first fetch, or the first after the last value ended, is under way.
    Pending,
    /// A value that counted when this state was published. `failure` says that its renewal fails at the moment.
    Ready {
        /// The value.
        value: Arc<V>,
        /// When it was fetched.
        fetched_at: Timestamp,
        /// Why the renewal fails, if it does.
        failure: Option<Failure>,
    },
    /// There is no value, and this is why.
    Failed(Failure),
}

impl<V> State<V> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&Arc<V>> {
        match self {
            Self::Ready { value, .. } => Some(value),
            Self::Failed(_) | Self::Pending => None,
        }
    }

    /// Why the last fetch failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Ready { failure, .. } => failure.as_ref(),
            Self::Failed(failure) => Some(failure),
            Self::Pending => None,
        }
    }
}

impl<V> Clone for State<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Pending => Self::Pending,
            Self::Ready { value, fetched_at, failure } => {
                Self::Ready { value: Arc::clone(value), fetched_at: *fetched_at, failure: failure.clone() }
            }
            Self::Failed(failure) => Self::Failed(failure.clone()),
        }
    }
}

/// Why a caller gets no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RenewError {
    /// The fetch failed and nothing that still counts is at hand.
    Failed(Failure),
    /// The key was forgotten while the caller waited.
    Forgotten,
    /// Every place is taken by a key that somebody watches.
    Full {
        /// The number of places.
        most: usize,
    },
    /// The worker has been shut down.
    Stopped,
}

impl fmt::Display for RenewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_) => f.write_str("get a fresh credential"),
            Self::Forgotten => f.write_str("wait for a credential that is no longer kept"),
            Self::Full { most } => write!(f, "keep one more credential fresh: {most} are kept already"),
            Self::Stopped => f.write_str("ask the renewal worker, which has been shut down"),
        }
    }
}

impl std::error::Error for RenewError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(failure) => Some(&*failure.error),
            Self::Forgotten | Self::Full { .. } | Self::Stopped => None,
        }
    }
}

impl From<RenewError> for Error {
    fn from(error: RenewError) -> Self {
        let RenewError::Failed(failure) = &error else {
            let kind = if matches!(error, RenewError::Full { .. }) { ErrorKind::Policy } else { ErrorKind::Internal };
            return Self::new(kind, error.to_string());
        };
        // The shared error stays the cause; what decides exit codes and hints is carried over.
        let inner = &failure.error;
        let mut outer = Self::new(inner.kind(), error.to_string());
        for hint in inner.hints() {
            outer = outer.hint(hint);
        }
        if let Some(step) = inner.step() {
            outer = outer.at_step(step);
        }
        if let Some(code) = inner.provider_code() {
            outer = outer.code(code);
        }
        if let Some(clause) = inner.failed_clause() {
            outer = outer.clause(clause);
        }
        let cause: Box<dyn std::error::Error + Send + Sync> = Box::new(Shared(Arc::clone(inner)));
        outer.because(cause)
    }
}

/// An error that several callers hold.
#[derive(Debug)]
struct Shared(Arc<Error>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}
