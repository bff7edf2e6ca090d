//! The `Authorization` header of a signed request.

use std::fmt;

/// Longest header that is looked at, in bytes: a session token and its signature fit many times.
const MAX_LENGTH: usize = 32 * 1024;

/// Most names in `headers`. Real clients sign three to eight; each costs a lookup.
const MAX_HEADERS: usize = 32;

/// A parsed header. `headers` keep the case in which they were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// Which key signed.
    pub key_id: KeyId<'a>,
    /// `rsa-sha256` and nothing else in practice.
    pub algorithm: &'a str,
    /// The names of what is signed, in the order of signing.
    pub headers: Vec<&'a str>,
    /// The signature, base64.
    pub signature: &'a str,
}

/// Which key signed: the forms of `keyId`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum KeyId<'a> {
    /// `TENANCY/USER/FINGERPRINT`: an API key.
    ApiKey {
        /// Tenancy OCID.
        tenancy: &'a str,
        /// User OCID.
        user: &'a str,
        /// MD5 of the SubjectPublicKeyInfo, lower-case hexadecimal pairs joined by colons.
        fingerprint: &'a str,
    },
    /// `resource/VERSION/[TENANCY/]ID`: the registered key of a resource.
    Resource {
        /// The version.
        version: ResourceVersion,
        /// Tenancy OCID, from 2.1.1 on.
        tenancy: Option<&'a str>,
        /// Resource OCID.
        id: &'a str,
    },
    /// `ST$JWT`: a session token, which names its own key. The token without the prefix.
    Session(&'a str),
    /// `TENANCY/fed-x509[-sha256]/FINGERPRINT`: the certificate in the body.
    X509 {
        /// Tenancy OCID.
        tenancy: &'a str,
        /// Which digest the fingerprint is.
        digest: X509Digest,
        /// Hexadecimal pairs joined by colons; the case differs between clients.
        fingerprint: &'a str,
    },
}

/// Versions of resource principals that sign with a key of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceVersion {
    /// `v2.1`
    V2_1,
    /// `v2.1.1`
    V2_1_1,
    /// `v2.1.2`
    V2_1_2,
}

/// Digests of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum X509Digest {
    /// `fed-x509`
    Sha1,
    /// `fed-x509-sha256`
    Sha256,
}

/// What is wrong with a header, without the header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Another scheme than `Signature`.
    #[error("a scheme other than Signature")]
    Scheme,
    /// A parameter that is not `name="value"`, at this byte.
    #[error("a parameter that is not name=\"value\" at byte {0}")]
    Parameter(usize),
    /// A parameter that comes twice.
    #[error("the parameter {0} twice")]
    Twice(&'static str),
    /// A parameter that is not there.
    #[error("no parameter {0}")]
    Missing(&'static str),
    /// Another version than 1.
    #[error("a version other than 1")]
    Version,
    /// A `keyId` of no known form.
    #[error("a keyId of no known form")]
    KeyId,
    /// No names, too many, or one twice.
    #[error("a list of headers that is empty, too long or names one twice")]
    Headers,
    /// A header longer than any real one.
    #[error("a header longer than {MAX_LENGTH} bytes")]
    TooLong,
}

impl Authorization<'_> {
    /// Whether `name` (lower case) is among the signed headers.
    pub fn signs(&self, name: &str) -> bool {
        self.headers.iter().any(|signed| signed.eq_ignore_ascii_case(name))
    }
}

/// Parses the header: parameters in any order, spaces after commas, unknown parameters passed over.
///
/// # Errors
/// What is wrong with it.
pub fn parse_authorization(value: &str) -> Result<Authorization<'_>, HeaderError> {
    if value.len() > MAX_LENGTH {
        return Err(HeaderError::TooLong);
    }
    let (scheme, rest) = value.split_once(' ').ok_or(HeaderError::Scheme)?;
    if !scheme.eq_ignore_ascii_case("signature") {
        return Err(HeaderError::Scheme);
    }
    let mut fields = Fields::default();
    let mut rest = rest.trim_start_matches(' ');
    while !rest.is_empty() {
        let bad = || HeaderError::Parameter(value.len().saturating_sub(rest.len()));
        let (name, after) = rest.split_once('=').ok_or_else(bad)?;
        let (content, after) = after.strip_prefix('"').and_then(|quoted| quoted.split_once('"')).ok_or_else(bad)?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(bad());
        }
        fields.set(name, content)?;
        let after = after.trim_start_matches(' ');
        rest = match after.strip_prefix(',') {
            Some(more) => more.trim_start_matches(' '),
            None if after.is_empty() => after,
            None => return Err(HeaderError::Parameter(value.len().saturating_sub(after.len()))),
        };
    }
    fields.finish()
}

#[derive(Default)]
struct Fields<'a> {
    version: Option<&'a str>,
    key_id: Option<&'a str>,
    algorithm: Option<&'a str>,
    headers: Option<&'a str>,
    signature: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn set(&mut self, name: &str, content: &'a str) -> Result<(), HeaderError> {
        let (slot, name) = match name {
            "version" => (&mut self.version, "version"),
            "keyId" => (&mut self.key_id, "keyId"),
            "algorithm" => (&mut self.algorithm, "algorithm"),
            "headers" => (&mut self.headers, "headers"),
            "signature" => (&mut self.signature, "signature"),
            _ => return Ok(()),
        };
        match slot.replace(content) {
            None => Ok(()),
            Some(_) => Err(HeaderError::Twice(name)),
        }
    }

    fn finish(self) -> Result<Authorization<'a>, HeaderError> {
        if self.version.ok_or(HeaderError::Missing("version"))? != "1" {
            return Err(HeaderError::Version);
        }
        let headers: Vec<&str> =
            self.headers.ok_or(HeaderError::Missing("headers"))?.split(' ').filter(|name| !name.is_empty()).collect();
        let repeated = headers
            .iter()
            .enumerate()
            .any(|(at, name)| headers.iter().take(at).any(|earlier| earlier.eq_ignore_ascii_case(name)));
        if headers.is_empty() || headers.len() > MAX_HEADERS || repeated {
            return Err(HeaderError::Headers);
        }
        Ok(Authorization {
            key_id: KeyId::parse(self.key_id.ok_or(HeaderError::Missing("keyId"))?).ok_or(HeaderError::KeyId)?,
            algorithm: self.algorithm.ok_or(HeaderError::Missing("algorithm"))?,
            headers,
            signature: self.signature.ok_or(HeaderError::Missing("signature"))?,
        })
    }
}

impl<'a> KeyId<'a> {
    /// Parses a `keyId`; `None` when it has none of the known forms.
    pub fn parse(text: &'a str) -> Option<Self> {
        if let Some(token) = text.strip_prefix("ST$") {
            return (!token.is_empty()).then_some(Self::Session(token));
        }
        let mut parts = text.split('/');
        let parsed = match (parts.next()?, parts.next()?, parts.next()?) {
            ("resource", "v2.1", id) => Self::Resource { version: ResourceVersion::V2_1, tenancy: None, id },
            ("resource", "v2.1.1", tenancy) => {
                Self::Resource { version: ResourceVersion::V2_1_1, tenancy: Some(tenancy), id: parts.next()? }
            }
            ("resource", "v2.1.2", tenancy) => {
                Self::Resource { version: ResourceVersion::V2_1_2, tenancy: Some(tenancy), id: parts.next()? }
            }
            (tenancy, "fed-x509", fingerprint) => Self::X509 { tenancy, digest: X509Digest::Sha1, fingerprint },
            (tenancy, "fed-x509-sha256", fingerprint) => {
                Self::X509 { tenancy, digest: X509Digest::Sha256, fingerprint }
            }
            (tenancy, user, fingerprint) => Self::ApiKey { tenancy, user, fingerprint },
        };
        let whole = parts.next().is_none() && text.split('/').all(|part| !part.is_empty());
        whole.then_some(parsed)
    }
}

impl fmt::Debug for KeyId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey { tenancy, user, fingerprint } => write!(f, "{tenancy}/{user}/{fingerprint}"),
            Self::Resource { tenancy, id, .. } => write!(f, "resource/{}/{id}", tenancy.unwrap_or("-")),
            // The token stays unseen.
            Self::Session(_) => f.write_str("ST$…"),
            Self::X509 { tenancy, fingerprint, .. } => write!(f, "{tenancy}/fed-x509/{fingerprint}"),
        }
    }
}
