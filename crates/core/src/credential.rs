//! What proves something, and the kinds there are.

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Secret, SecretBytes};

/// What sort of proof a credential is. Routes are checked by it before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An opaque or self-contained bearer token that an API accepts.
    AccessToken,
    /// AWS access key id, secret access key and session token.
    AwsKeys,
    /// A signed JSON Web Token that another party may verify (RFC 7519).
    Jwt,
    /// An OCI API signing key: tenancy, user, fingerprint and a private key.
    OciApiKey,
    /// An OCI session: a token and the private key that it is bound to (proof of possession).
    OciSession,
    /// A certificate chain and its private key.
    X509,
}

impl Kind {
    /// The name used in configuration and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access-token",
            Self::AwsKeys => "aws-keys",
            Self::Jwt => "jwt",
            Self::OciApiKey => "oci-api-key",
            Self::OciSession => "oci-session",
            Self::X509 => "x509",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A small set of kinds: what an exchange takes, or what a source may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(&'static [Kind]);

impl Kinds {
    /// Every kind there is.
    pub const ANY: Self =
        Self(&[Kind::AccessToken, Kind::AwsKeys, Kind::Jwt, Kind::OciApiKey, Kind::OciSession, Kind::X509]);

    /// Exactly these.
    pub const fn of(kinds: &'static [Kind]) -> Self {
        Self(kinds)
    }

    /// Whether `kind` is one of them.
    pub fn contains(self, kind: Kind) -> bool {
        self.0.contains(&kind)
    }

    /// Whether the two sets share a kind.
    pub fn meets(self, other: Self) -> bool {
        self.0.iter().any(|kind| other.contains(*kind))
    }

    /// The kinds in it.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, kind) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" or ")?;
            }
            f.write_str(kind.name())?;
        }
        Ok(())
    }
}

/// A credential: its material, when it ends, and what is known about it that is safe to show.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The proof itself. Never printed.
    pub material: Material,
    /// From when it counts, if known.
    pub issued_at: Option<Timestamp>,
    /// When it stops counting, if known. `None` means that the giver did not say.
    pub expires_at: Option<Timestamp>,
    /// Facts that may be shown: `principal`, `issuer`, `audience`, `region`, `tenancy`, `project` and so on.
    /// Never a token or a key.
    pub facts: BTreeMap<&'static str, String>,
}

impl Credential {
    /// A credential of which nothing but the material is known yet.
    pub fn new(material: Material) -> Self {
        Self { material, issued_at: None, expires_at: None, facts: BTreeMap::new() }
    }

    /// What sort of proof it is.
    pub fn kind(&self) -> Kind {
        match &self.material {
            Material::AccessToken(_) => Kind::AccessToken,
            Material::AwsKeys(_) => Kind::AwsKeys,
            Material::Jwt(_) => Kind::Jwt,
            Material::OciApiKey(_) => Kind::OciApiKey,
            Material::OciSession(_) => Kind::OciSession,
            Material::X509(_) => Kind::X509,
        }
    }

    /// Sets the time of issue.
    #[must_use]
    pub fn issued_at(mut self, at: Timestamp) -> Self {
        self.issued_at = Some(at);
        self
    }

    /// Sets the end.
    #[must_use]
    pub fn expires_at(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// Adds a fact that may be shown.
    #[must_use]
    pub fn fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.insert(name, value.into());
        self
    }

    /// How long it still counts. `None` if its end is unknown; zero when it has ended.
    pub fn remaining(&self, now: Timestamp) -> Option<SignedDuration> {
        self.expires_at.map(|end| end.duration_since(now).max(SignedDuration::ZERO))
    }
}

/// The proof itself, by kind.
#[derive(Clone, Debug)]
pub enum Material {
    /// See [`Kind::AccessToken`].
    AccessToken(AccessToken),
    /// See [`Kind::AwsKeys`].
    AwsKeys(AwsKeys),
    /// See [`Kind::Jwt`].
    Jwt(Secret),
    /// See [`Kind::OciApiKey`].
    OciApiKey(OciApiKey),
    /// See [`Kind::OciSession`].
    OciSession(OciSession),
    /// See [`Kind::X509`].
    X509(X509Identity),
}

/// A bearer token with the word that goes before it in an `Authorization` header (RFC 6750).
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// `Bearer` nearly always.
    pub token_type: String,
}

/// Temporary AWS keys.
#[derive(Clone, Debug)]
pub struct AwsKeys {
    /// Starts with `ASIA` for temporary keys. An identifier, not a secret.
    pub access_key_id: String,
    /// The signing secret.
    pub secret_access_key: Secret,
    /// Sent along with every request.
    pub session_token: Option<Secret>,
}

/// An OCI session: the token alone is useless, every request is signed with the key that the token names.
#[derive(Clone, Debug)]
pub struct OciSession {
    /// The JWT without the `ST$` prefix.
    pub token: Secret,
    /// RSA private key, PKCS#8 DER.
    pub private_key: SecretBytes,
    /// Region identifier such as `us-ashburn-1`, if known.
    pub region: Option<String>,
    /// Tenancy OCID, if known.
    pub tenancy: Option<String>,
}

/// An OCI API signing key as found in `~/.oci/config`. carnet reads such keys; it never makes or stores one.
#[derive(Clone, Debug)]
pub struct OciApiKey {
    /// Tenancy OCID.
    pub tenancy: String,
    /// User OCID.
    pub user: String,
    /// MD5 of the public key, lower-case hexadecimal pairs joined by colons.
    pub fingerprint: String,
    /// RSA private key, PKCS#8 DER.
    pub private_key: SecretBytes,
    /// Region identifier, if known.
    pub region: Option<String>,
}

/// A certificate chain with the private key of its leaf.
#[derive(Clone, Debug)]
pub struct X509Identity {
    /// DER certificates, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// Private key, PKCS#8 DER.
    pub private_key: SecretBytes,
    /// DER certificates of the authorities that its own trust domain is believed by. Empty where whoever gave the chain does not
    /// give them along.
    pub bundle: Vec<Vec<u8>>,
}
