//! What agent and authority say to each other: JSON over HTTPS.
//!
//! The authority's certificate is the X509-SVID [`authority_id`], and the agent takes no other. Everything below
//! [`paths::RENEW`] needs the agent's own X509-SVID by mutual TLS. A refusal has a status of 400 or more and a
//! [`Refusal`] as its body; what the agent does next follows from its [`RefusalCode`].
//!
//! | request | body | answer |
//! | --- | --- | --- |
//! | `GET` [`paths::BUNDLE`] | | [`BundleAnswer`] |
//! | `POST` [`paths::ATTEST_START`] | [`StartRequest`] | [`StartAnswer`] |
//! | `POST` [`paths::ATTEST`] | [`AttestRequest`] | [`AgentSvid`] |
//! | `POST` [`paths::RENEW`] | [`RenewRequest`] | [`AgentSvid`] |
//! | `GET` [`paths::UPDATES`]`?`[`UpdatesQuery`] | | [`Updates`] |
//! | `POST` [`paths::X509`] | list of [`X509Request`], at most [`MAX_BATCH`] | list of [`X509Answer`], in the same order |
//! | `POST` [`paths::JWT`] | list of [`JwtRequest`], at most [`MAX_BATCH`] | list of [`JwtAnswer`], in the same order |

mod attest;
mod bytes;
mod mint;
mod refusal;
mod updates;

use carnet_spiffe::{IdError, SpiffeId, TrustDomain};

pub use attest::{AgentSvid, AttestRequest, BundleAnswer, RenewRequest, StartAnswer, StartRequest};
pub use bytes::Base64;
pub use mint::{IssuedJwt, IssuedX509, JwtAnswer, JwtRequest, X509Answer, X509Request};
pub use refusal::{Refusal, RefusalCode};
pub use updates::{State, Updates, UpdatesQuery};

/// Most requests in one call of [`paths::X509`] or [`paths::JWT`].
pub const MAX_BATCH: usize = 500;
/// Most audiences of one JWT-SVID, in [`JwtRequest::audiences`].
pub const MAX_AUDIENCES: usize = 16;
/// Longest audience, in bytes: what Entra ID takes.
pub const MAX_AUDIENCE: usize = 600;
/// Longest [`UpdatesQuery::wait`], in seconds. A longer one is taken as this.
pub const MAX_WAIT: u32 = 60;
/// Largest request of an agent, in bytes: a full batch of requests for RSA certificates fits.
pub const MAX_REQUEST: usize = 2 << 20;
/// Bytes of a nonce.
pub const NONCE_LENGTH: usize = 32;

/// Where the calls are, below the address of the authority's listener for nodes.
pub mod paths {
    /// The trust domain's bundle, for anyone.
    pub const BUNDLE: &str = "/v1/node/bundle";
    /// Begins an attestation.
    pub const ATTEST_START: &str = "/v1/node/attest/start";
    /// Ends an attestation.
    pub const ATTEST: &str = "/v1/node/attest";
    /// A new SVID for an agent that has one.
    pub const RENEW: &str = "/v1/node/renew";
    /// Entries and bundles, now or when they change.
    pub const UPDATES: &str = "/v1/node/updates";
    /// X509-SVIDs for workloads.
    pub const X509: &str = "/v1/node/x509";
    /// JWT-SVIDs for workloads.
    pub const JWT: &str = "/v1/node/jwt";
}

/// The identity of the authority's listener for nodes, and the parent of entries that stand for groups of nodes.
///
/// # Errors
/// When the name of the domain is so long that the ID is too long.
pub fn authority_id(domain: &TrustDomain) -> Result<SpiffeId, IdError> {
    SpiffeId::new(domain, "/carnet/authority")
}

/// The identity of an agent: `path` begins with the name of the method, for instance `join-token/web-1`.
///
/// # Errors
/// When the path is not one of a SPIFFE ID.
pub fn agent_id(domain: &TrustDomain, path: &str) -> Result<SpiffeId, IdError> {
    SpiffeId::new(domain, &format!("{AGENT_PREFIX}{path}"))
}

/// Where the paths of all agents begin. No entry can give such an identity.
pub const AGENT_PREFIX: &str = "/carnet/agent/";
