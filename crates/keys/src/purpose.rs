//! What a key is for, and where it is in its life.

use std::{fmt, str::FromStr};

use carnet_core::Error;
use carnet_jose::Algorithm;

/// The `purpose` of rows of keys that sign tokens.
const JWT: &str = "jwt";
/// The `purpose` of rows of keys that sign certificates.
const X509: &str = "x509";

/// What a key is for. Each purpose has a schedule of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Signing tokens with this algorithm.
    Jwt(Algorithm),
    /// Signing certificates.
    X509,
}

impl Purpose {
    /// `jwt` or `x509`, as rows of the store have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jwt(_) => JWT,
            Self::X509 => X509,
        }
    }

    /// What the columns of a row say.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Internal`] for what no version of carnet writes.
    pub(crate) fn of_row(purpose: &str, algorithm: &str) -> Result<Self, Error> {
        match purpose {
            JWT => Ok(Self::Jwt(algorithm_of(algorithm)?)),
            X509 => Ok(Self::X509),
            _ => Err(Error::internal(format!("the store has a key for the unknown purpose {purpose:?}"))),
        }
    }
}

/// The algorithm of a row.
pub(crate) fn algorithm_of(name: &str) -> Result<Algorithm, Error> {
    name.parse().map_err(|_unknown| Error::internal(format!("the store has a key with the unknown algorithm {name:?}")))
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jwt(algorithm) => write!(f, "{JWT}:{algorithm}"),
            Self::X509 => f.write_str(X509),
        }
    }
}

/// `x509`, or `jwt:` and an algorithm, for instance `jwt:ES256`.
impl FromStr for Purpose {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == X509 {
            return Ok(Self::X509);
        }
        text.strip_prefix("jwt:").and_then(|name| name.parse().ok()).map(Self::Jwt).ok_or_else(|| {
            Error::configuration(format!("{text:?} is no purpose of a key"))
                .hint("\"x509\", or \"jwt:ES256\" and the like")
        })
    }
}

/// Where a key is in its life. The order is the order of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Published, does not sign yet.
    Prepared,
    /// Signs. One for each purpose.
    Active,
    /// Published for what it has signed. Its private half is gone.
    Retired,
    /// As retired, and what it has signed is to be replaced at once by whoever holds it: the step before it is revoked.
    Tainted,
}

impl Stage {
    /// As rows of the store have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Tainted => "tainted",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Prepared, Self::Active, Self::Retired, Self::Tainted]
            .into_iter()
            .find(|stage| stage.name() == text)
            .ok_or_else(|| Error::internal(format!("the store has a key in the unknown stage {text:?}")))
    }
}
