//! SPIFFE IDs.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{TrustDomain, text::text_type, trust_domain};

const SCHEME: &str = "spiffe://";

/// A SPIFFE ID in its canonical form, for instance `spiffe://example.org/ns/pay/sa/api` (SPIFFE-ID, 2). Cheap to clone;
/// compared byte for byte, because other spellings are not accepted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: Arc<str>,
    /// Bytes of scheme and trust domain, where the path begins.
    path_at: usize,
}

/// Why a text is no SPIFFE ID, or no name of a trust domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// It does not begin with `spiffe://`.
    #[error("a SPIFFE ID begins with \"spiffe://\", in lower case")]
    Scheme,
    /// It begins with `spiffe://` where a name alone is wanted.
    #[error("write the name of the trust domain alone, without \"spiffe://\" and without a path")]
    SchemeInName,
    /// Nothing stands where the trust domain should.
    #[error("the trust domain is missing")]
    NoTrustDomain,
    /// The trust domain is too long.
    #[error("the trust domain has {length} bytes, more than {}", TrustDomain::MAX_LENGTH)]
    LongTrustDomain {
        /// Its length in bytes.
        length: usize,
    },
    /// A character that no trust domain has.
    #[error(
        "the trust domain holds {character:?}; only lower-case letters, digits, \".\", \"-\" and \"_\" may stand in it"
    )]
    TrustDomainCharacter {
        /// The first one.
        character: char,
    },
    /// `//`.
    #[error("the path has an empty segment (\"//\")")]
    EmptySegment,
    /// `/` at the end.
    #[error("the path ends with \"/\"")]
    TrailingSlash,
    /// `.` or `..`.
    #[error("the path has a segment \".\" or \"..\"")]
    DotSegment,
    /// A character that no path has.
    #[error("the path holds {character:?}; only letters, digits, \".\", \"-\", \"_\" and \"/\" may stand in it")]
    PathCharacter {
        /// The first one.
        character: char,
    },
    /// A path that does not begin with `/`.
    #[error("the path does not begin with \"/\"")]
    PathStart,
    /// The ID of a trust domain was wanted, and this one has a path.
    #[error("it has a path, and the ID of a trust domain has none")]
    HasPath,
    /// The whole is too long.
    #[error("the SPIFFE ID has {length} bytes, more than {}", SpiffeId::MAX_LENGTH)]
    Long {
        /// Its length in bytes.
        length: usize,
    },
}

impl SpiffeId {
    /// Longest ID, in bytes (SPIFFE-ID, 2.3).
    pub const MAX_LENGTH: usize = 2048;

    /// The ID of this path in this domain. The path is empty, or begins with `/`.
    ///
    /// # Errors
    /// When the path is not one of a SPIFFE ID, or the whole is too long.
    pub fn new(domain: &TrustDomain, path: &str) -> Result<Self, IdError> {
        check_path(path)?;
        let text = format!("{SCHEME}{domain}{path}");
        if text.len() > Self::MAX_LENGTH {
            return Err(IdError::Long { length: text.len() });
        }
        Ok(Self { path_at: text.len().saturating_sub(path.len()), text: text.into() })
    }

    /// The domain's own ID. Its length is within the limit, because the name's is.
    pub(crate) fn of_domain(domain: &TrustDomain) -> Self {
        let text: Arc<str> = format!("{SCHEME}{domain}").into();
        Self { path_at: text.len(), text }
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> TrustDomain {
        TrustDomain::checked(self.text.get(SCHEME.len()..self.path_at).unwrap_or_default())
    }

    /// The path with the `/` before it, or nothing for the ID of the domain itself.
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or_default()
    }

    /// Whether it has no path: the ID of the domain itself, which no workload may have (X509-SVID, 5.2).
    pub fn is_root(&self) -> bool {
        self.path().is_empty()
    }

    /// Whether it is of this domain.
    pub fn is_of(&self, domain: &TrustDomain) -> bool {
        self.text.get(SCHEME.len()..self.path_at) == Some(domain.as_str())
    }

    /// The whole ID.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for SpiffeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(IdError::Long { length: text.len() });
        }
        let rest = text.strip_prefix(SCHEME).ok_or(IdError::Scheme)?;
        let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        trust_domain::check(domain)?;
        check_path(path)?;
        Ok(Self { text: text.into(), path_at: text.len().saturating_sub(path.len()) })
    }
}

/// SPIFFE-ID, 2.2.
fn check_path(path: &str) -> Result<(), IdError> {
    if path.is_empty() {
        return Ok(());
    }
    let segments = path.strip_prefix('/').ok_or(IdError::PathStart)?;
    if path.ends_with('/') && !path.ends_with("//") {
        return Err(IdError::TrailingSlash);
    }
    for segment in segments.split('/') {
        match segment {
            "" => return Err(IdError::EmptySegment),
            "." | ".." => return Err(IdError::DotSegment),
            _ => {}
        }
        let foreign = |c: &char| !matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_');
        if let Some(character) = segment.chars().find(foreign) {
            return Err(IdError::PathCharacter { character });
        }
    }
    Ok(())
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpiffeId").field(&self.text).finish()
    }
}

impl From<IdError> for carnet_core::Error {
    fn from(error: IdError) -> Self {
        Self::configuration("read the SPIFFE ID").because(error)
    }
}

text_type!(SpiffeId, IdError, "SpiffeId", "A SPIFFE ID, for instance `spiffe://example.org/ns/pay/sa/api`.");
