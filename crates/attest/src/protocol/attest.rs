//! Becoming an agent, and staying one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Base64;
use crate::Kind;

/// Answer of [`super::paths::BUNDLE`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleAnswer {
    /// Whose bundle it is.
    pub trust_domain: carnet_spiffe::TrustDomain,
    /// The bundle document (SPIFFE Trust Domain and Bundle, 4): what [`carnet_spiffe::Bundle::parse`] reads.
    pub bundle: Value,
}

/// Body of [`super::paths::ATTEST_START`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    /// How the node will be attested.
    pub kind: Kind,
}

/// Answer of [`super::paths::ATTEST_START`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartAnswer {
    /// Name of the attempt: good for one [`AttestRequest`], for a short time, at this authority.
    pub attempt: String,
    /// What the evidence must prove knowledge of, where the method can: [`super::NONCE_LENGTH`] bytes.
    pub nonce: Base64,
}

/// Body of [`super::paths::ATTEST`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttestRequest {
    /// [`StartAnswer::attempt`].
    pub attempt: String,
    /// The method that the attempt was begun for.
    pub kind: Kind,
    /// The evidence, in the method's own form. It may hold a token.
    pub payload: Value,
    /// A PKCS#10 request in DER, signed by the key that the agent will use. Only the key is taken from it.
    pub csr: Base64,
}

impl std::fmt::Debug for AttestRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttestRequest").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Body of [`super::paths::RENEW`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// As [`AttestRequest::csr`].
    pub csr: Base64,
}

/// The agent's own X509-SVID.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentSvid {
    /// Certificates in DER, leaf first. The URI of the leaf is the agent's identity.
    pub svid: Vec<Base64>,
    /// When the leaf expires. Renew at half of the life that is left.
    pub expires_at: Timestamp,
    /// Whether the agent may attest again when its SVID has expired. If not, losing it means that an operator must help.
    pub reattestable: bool,
    /// The trust domain's bundle, as [`BundleAnswer::bundle`].
    pub bundle: Value,
}
