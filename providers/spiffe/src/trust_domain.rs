//! Names of trust domains.

use std::{str::FromStr, sync::Arc};

use crate::{IdError, SpiffeId, text::text_type};

/// The name of a trust domain, for instance `example.org` (SPIFFE-ID, 2.1). Cheap to clone; compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(Arc<str>);

impl TrustDomain {
    /// Longest name, in bytes (SPIFFE-ID, 2.3).
    pub const MAX_LENGTH: usize = 255;

    /// The name without scheme, for instance `example.org`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain's own ID, `spiffe://` and the name. It stands for the domain, never for a workload.
    pub fn id(&self) -> SpiffeId {
        SpiffeId::of_domain(self)
    }

    /// The domain of a text that is a domain's own ID, for instance a key of the maps of the Workload API.
    ///
    /// # Errors
    /// When it is not a SPIFFE ID, or one with a path.
    pub fn from_own_id(id: &str) -> Result<Self, IdError> {
        let id: SpiffeId = id.parse()?;
        if id.is_root() { Ok(id.trust_domain()) } else { Err(IdError::HasPath) }
    }

    /// What [`check`] has passed.
    pub(crate) fn checked(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

/// Lower-case letters, digits, dots, dashes and underscores (SPIFFE-ID, 2.1).
pub(crate) fn check(name: &str) -> Result<(), IdError> {
    if name.is_empty() {
        return Err(IdError::NoTrustDomain);
    }
    if name.len() > TrustDomain::MAX_LENGTH {
        return Err(IdError::LongTrustDomain { length: name.len() });
    }
    let foreign = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '-' | '_');
    match name.chars().find(foreign) {
        Some(character) => Err(IdError::TrustDomainCharacter { character }),
        None => Ok(()),
    }
}

impl FromStr for TrustDomain {
    type Err = IdError;

    fn from_str(name: &str) -> Result<Self, IdError> {
        if name.starts_with("spiffe://") {
            return Err(IdError::SchemeInName);
        }
        check(name).map(|()| Self::checked(name))
    }
}

text_type!(
    TrustDomain,
    IdError,
    "TrustDomain",
    "The name of a trust domain, for instance `example.org`: lower-case letters, digits, dots, dashes and underscores."
);
