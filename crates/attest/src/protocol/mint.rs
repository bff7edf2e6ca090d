//! SVIDs for workloads.

use std::{collections::BTreeSet, fmt};

use carnet_core::Secret;
use carnet_spiffe::Selector;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Base64, Refusal};
use crate::shown::exposed;

/// One element of the body of [`super::paths::X509`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct X509Request {
    /// The entry that the SVID is for.
    pub entry_id: String,
    /// When the entry's identity is a template: the workload's selectors that fill it
    /// ([`crate::IdTemplate::used`]). Else empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub selectors: BTreeSet<Selector>,
    /// A PKCS#10 request in DER, signed by the SVID's key. Only the key is taken from it.
    pub csr: Base64,
}

/// One element of the answer of [`super::paths::X509`]: `{"issued": …}` or `{"refused": …}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum X509Answer {
    /// The SVID.
    Issued(IssuedX509),
    /// Why there is none. The others of the batch are not touched by it.
    Refused(Refusal),
}

/// An X509-SVID for a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedX509 {
    /// Certificates in DER, leaf first.
    pub svid: Vec<Base64>,
    /// When the leaf expires.
    pub expires_at: Timestamp,
    /// The revision of the entry that it was made for. Where several authorities share a store, the one that answers may not have
    /// heard of the last change: what it made of an older revision than the agent knows is to be asked for again.
    pub revision: u64,
}

/// One element of the body of [`super::paths::JWT`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtRequest {
    /// The entry that the SVID is for.
    pub entry_id: String,
    /// As [`X509Request::selectors`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub selectors: BTreeSet<Selector>,
    /// Its audiences, in this order; at least one.
    pub audiences: Vec<String>,
}

/// One element of the answer of [`super::paths::JWT`]: `{"issued": …}` or `{"refused": …}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JwtAnswer {
    /// The SVID.
    Issued(IssuedJwt),
    /// Why there is none. The others of the batch are not touched by it.
    Refused(Refusal),
}

/// A JWT-SVID for a workload.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedJwt {
    /// The JWT-SVID.
    #[serde(serialize_with = "exposed")]
    pub token: Secret,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// As [`IssuedX509::revision`].
    pub revision: u64,
}

impl fmt::Debug for IssuedJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedJwt").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}
