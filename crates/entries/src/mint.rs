//! What issues: the seam to the issuer.

use std::fmt;

use carnet_core::{BoxFuture, Error, Secret};
use carnet_spiffe::SpiffeId;
use carnet_store::{AuditRecord, Op};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::By;

/// An X509-SVID to issue. That it may be had has been decided.
#[derive(Clone, Debug)]
pub struct MintX509 {
    /// The identity.
    pub spiffe_id: SpiffeId,
    /// PKCS#10 in DER; only the key is taken from it.
    pub csr: Vec<u8>,
    /// DNS names in it.
    pub dns_names: Vec<String>,
    /// How long it lives, at most; the issuer's default when absent.
    pub ttl: Option<SignedDuration>,
    /// The registration entry; none for the agent's own.
    pub entry_id: Option<String>,
}

/// An X509-SVID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minted {
    /// DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// End of the leaf.
    pub expires_at: Timestamp,
    /// Serial number of the leaf, lower-case hexadecimal.
    pub serial: String,
}

/// A JWT-SVID to issue. That it may be had has been decided.
#[derive(Clone, Debug)]
pub struct MintJwt {
    /// The identity.
    pub spiffe_id: SpiffeId,
    /// For whom, in this order.
    pub audiences: Vec<String>,
    /// How long it lives, at most; the issuer's default when absent.
    pub ttl: Option<SignedDuration>,
    /// Further claims.
    pub claims: Map<String, Value>,
    /// Whether it gets a `jti`.
    pub include_jti: bool,
    /// The registration entry.
    pub entry_id: String,
}

/// A JWT-SVID.
#[derive(Clone, Debug)]
pub struct MintedJwt {
    /// The token.
    pub token: Secret,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
}

/// Issues SVIDs, each with its audit row durable before it returns, unless said otherwise.
pub trait Mint: Send + Sync + fmt::Debug {
    /// Issues all of these or none, in this order.
    fn x509(&self, wanted: Vec<MintX509>, by: By) -> BoxFuture<'_, Result<Vec<Minted>, Error>>;

    /// Signs one, and answers the audit row to commit with what it is for. It may be given away when that row is durable. A
    /// refusal has been written when this returns.
    fn sign_x509(&self, wanted: MintX509, by: By) -> BoxFuture<'_, Result<(Minted, AuditRecord), Error>>;

    /// Writes down that somebody was refused, with what that uses up, or counts it when the peer has had too many refusals; nothing is used up then.
    fn refused(&self, record: AuditRecord, ops: Vec<Op>) -> BoxFuture<'_, ()>;

    /// Issues each of these that can be had, in this order.
    fn jwt(&self, wanted: Vec<MintJwt>, by: By) -> BoxFuture<'_, Vec<Result<MintedJwt, Error>>>;
}
