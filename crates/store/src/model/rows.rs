//! Rows as they are read.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A registration entry, or what is left of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub id: String,
    /// The entry as its owner wrote it; `null` when it is deleted.
    pub body: Value,
    /// Of its last change.
    pub revision: u64,
    /// Whether this only says that it was deleted.
    pub deleted: bool,
}

/// What an [`Object`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// A rule of the issuer.
    Rule,
    /// An issuer whose tokens are taken.
    Issuer,
    /// A trust domain whose bundle is fetched.
    FederatedDomain,
    /// A bundle as it was last seen.
    Bundle,
    /// A client of the token endpoint.
    Client,
    /// Anything else there is one of.
    Setting,
}

impl ObjectKind {
    /// Its name in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Issuer => "issuer",
            Self::FederatedDomain => "federated-domain",
            Self::Bundle => "bundle",
            Self::Client => "client",
            Self::Setting => "setting",
        }
    }
}

/// A named document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name among its kind.
    pub name: String,
    /// The document.
    pub body: Value,
    /// Of its last change.
    pub revision: u64,
}

/// A signing key, sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its name, the `kid` of what it signs.
    pub kid: String,
    /// `jwt` or `x509`.
    pub purpose: String,
    /// JOSE name of its algorithm.
    pub algorithm: String,
    /// Where it is in its life: `prepared`, `active`, `retired` …
    pub stage: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it begins to sign.
    pub activate_at: Timestamp,
    /// When it stops signing.
    pub retire_at: Timestamp,
    /// When the last thing it signed has expired; it may leave the bundle after.
    pub expires_at: Timestamp,
    /// When it was withdrawn, if it was.
    pub revoked_at: Option<Timestamp>,
    /// The private key, encrypted by the key manager.
    pub sealed: Vec<u8>,
    /// The public key, SubjectPublicKeyInfo in DER.
    pub public: Vec<u8>,
    /// Its certificate and those above it, DER, leaf first; empty when it has none.
    pub certificate: Vec<Vec<u8>>,
    /// The node it belongs to, when nodes have keys of their own.
    pub node: Option<String>,
    /// Of its last change; set by the store.
    pub revision: u64,
}

impl fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRow")
            .field("kid", &self.kid)
            .field("purpose", &self.purpose)
            .field("algorithm", &self.algorithm)
            .field("stage", &self.stage)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// A node that has been attested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Its SPIFFE ID.
    pub id: String,
    /// The method of attestation.
    pub kind: String,
    /// What the attestation found, each `kind:value`.
    pub selectors: Vec<String>,
    /// Serial number of its current SVID.
    pub serial: String,
    /// When that SVID expires.
    pub expires_at: Timestamp,
    /// Whether it is turned away.
    pub banned: bool,
    /// Whether it may attest again.
    pub reattestable: bool,
    /// When it was last attested.
    pub attested_at: Timestamp,
    /// Of its last change; set by the store.
    pub revision: u64,
}

/// A join token, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokenRow {
    /// SHA-256 of the token; hexadecimal in JSON.
    #[serde(with = "hex_digest")]
    pub hash: [u8; 32],
    /// Path that the agent gets instead of the usual one.
    pub agent_path: Option<String>,
    /// When it is of no use any more.
    pub expires_at: Timestamp,
    /// Selectors that the node gets, each `kind:value`.
    pub selectors: Vec<String>,
}

/// What is remembered of an issued token. The token itself is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenRow {
    /// `jti`.
    pub id: String,
    /// `sub`.
    pub subject: String,
    /// Who acts for the subject.
    pub actor: Option<String>,
    /// The rule that allowed it.
    pub rule: String,
    /// `aud`.
    pub audiences: Vec<String>,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// The latest that it can be made to last. It is forgotten after.
    pub max_expires_at: Timestamp,
    /// How often it can still be used; `None` without limit.
    pub uses_left: Option<u64>,
    /// Networks from where it may be used; empty for anywhere.
    pub networks: Vec<String>,
    /// When it was withdrawn, if it was.
    pub revoked_at: Option<Timestamp>,
    /// Its other claims.
    pub claims: Value,
}

mod hex_digest {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&carnet_core::hex(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut digest = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(D::Error::custom("a digest has 64 hexadecimal digits"));
        }
        for (index, byte) in digest.iter_mut().enumerate() {
            let digits = text.get(index * 2..index * 2 + 2).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16)
                .map_err(|_error| D::Error::custom("a digest has 64 hexadecimal digits"))?;
        }
        Ok(digest)
    }
}
