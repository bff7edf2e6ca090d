//! Why the store did not do it.

use carnet_core::{Error, ErrorKind};

/// Why the store did not do it. Unless it is [`StoreError::Unknown`], nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// As many commits wait as may; try again later, or turn the caller away.
    #[error("the store has {waiting} commits waiting, and takes no more")]
    Busy {
        /// Length of the queue.
        waiting: usize,
    },
    /// [`crate::Store::close`] was called, or the writer has ended.
    #[error("the store is closed")]
    Closed,
    /// What was to be written cannot be: a mistake of the caller.
    #[error("cannot be stored: {0}")]
    Invalid(String),
    /// Tombstones that lie after the revision asked for are gone. Read all entries again.
    #[error("changes since revision {asked} are no longer known, only those since {oldest}")]
    TooOld {
        /// What was asked for.
        asked: u64,
        /// The earliest that can be.
        oldest: u64,
    },
    /// The store is not in a state to be used, and somebody must see to that: address, file mode, schema, settings.
    #[error("{what}")]
    Unusable {
        /// What is wrong, and with what.
        what: String,
        /// What to do.
        hint: String,
    },
    /// What is stored contradicts itself.
    #[error("{what}")]
    Corrupt {
        /// What is wrong, and where.
        what: String,
        /// What to do.
        hint: String,
        /// The audit row, when it is one.
        audit_row: Option<u64>,
    },
    /// Not now: the disk is full, the server does not answer.
    #[error("{what}")]
    Unavailable {
        /// What was attempted, and what came of it.
        what: String,
        /// What to do.
        hint: String,
    },
    /// Whether it was written cannot be known. Nothing may be issued on it, and it may be on record all the same.
    #[error("{what}")]
    Unknown {
        /// What was attempted, and what came of it.
        what: String,
        /// What to do.
        hint: String,
    },
}

impl StoreError {
    /// What the reader can do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Busy { .. } | Self::Closed | Self::Invalid(_) | Self::TooOld { .. } => None,
            Self::Unusable { hint, .. }
            | Self::Corrupt { hint, .. }
            | Self::Unavailable { hint, .. }
            | Self::Unknown { hint, .. } => Some(hint),
        }
    }

    /// Whether the same attempt may succeed later without a change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unavailable { .. })
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy { .. } | Self::Closed | Self::Unavailable { .. } | Self::Unknown { .. } => {
                ErrorKind::Unreachable
            }
            Self::Invalid(_) | Self::TooOld { .. } => ErrorKind::Internal,
            Self::Unusable { .. } | Self::Corrupt { .. } => ErrorKind::Configuration,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let converted = Self::new(error.kind(), error.to_string());
        match error.hint() {
            Some(hint) => converted.hint(hint),
            None => converted,
        }
    }
}
