//! The authority as the agent sees it.

use std::{fmt, sync::Arc};

use carnet_attest::protocol::{
    AgentSvid, JwtAnswer, JwtRequest, Refusal, RefusalCode, Updates, UpdatesQuery, X509Answer, X509Request,
};
use carnet_core::{BoxFuture, Error, ErrorKind, SecretBytes};
use carnet_spiffe::{Bundle, SpiffeId};
use jiff::Timestamp;

/// The authority, whether it is reached over HTTPS or runs in this process. The calls are those of
/// [`carnet_attest::protocol`].
///
/// A call that is dropped must leave nothing behind that a later one trips over. None of them has a time limit here except
/// the one that its implementation sets: the agent gives each its own.
pub trait Upstream: Send + Sync + fmt::Debug {
    /// Attests this node, from the evidence to the answer: `csr` is a PKCS#10 request in DER for the agent's key.
    fn attest(&self, csr: Vec<u8>) -> BoxFuture<'_, Result<AgentSvid, UpstreamError>>;

    /// A new SVID for the agent that [`Self::assume`] named last.
    fn renew(&self, csr: Vec<u8>) -> BoxFuture<'_, Result<AgentSvid, UpstreamError>>;

    /// What the agent may serve: at once when it is not what `query.revision` names, else when it changes, else after
    /// `query.wait` seconds.
    fn updates(&self, query: UpdatesQuery) -> BoxFuture<'_, Result<Updates, UpstreamError>>;

    /// X509-SVIDs for workloads: at most [`carnet_attest::protocol::MAX_BATCH`], answered in the same order.
    fn x509(&self, requests: Vec<X509Request>) -> BoxFuture<'_, Result<Vec<X509Answer>, UpstreamError>>;

    /// JWT-SVIDs for workloads: at most [`carnet_attest::protocol::MAX_BATCH`], answered in the same order.
    fn jwt(&self, requests: Vec<JwtRequest>) -> BoxFuture<'_, Result<Vec<JwtAnswer>, UpstreamError>>;

    /// From now on calls are made as this agent, and an authority is believed by this bundle of its trust domain.
    ///
    /// # Errors
    /// When the SVID and its key cannot be used.
    fn assume(&self, identity: &AgentIdentity, bundle: &Arc<Bundle>) -> Result<(), Error>;
}

/// Who the agent is.
#[derive(Clone, Debug)]
pub struct AgentIdentity {
    /// The identity: `spiffe://DOMAIN/carnet/agent/…`.
    pub spiffe_id: SpiffeId,
    /// Its X509-SVID: certificates in DER, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// The key of the leaf, PKCS#8 in DER.
    pub private_key: SecretBytes,
    /// When the leaf becomes valid.
    pub not_before: Timestamp,
    /// When the leaf expires.
    pub expires_at: Timestamp,
    /// Whether the node may attest again once it has expired.
    pub reattestable: bool,
}

/// Why the authority gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It answered and said no.
    #[error("the authority refuses: {0}")]
    Refused(Refusal),
    /// There was no answer, or one without form, or this side could not even ask.
    #[error(transparent)]
    Failed(Error),
}

impl UpstreamError {
    /// Whether the same call may succeed later without anybody's doing.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.code.is_retryable(),
            Self::Failed(error) => error.is_retryable(),
        }
    }

    /// What the reader can do about it.
    pub fn hints(&self) -> Vec<&str> {
        match self {
            Self::Refused(refusal) => refusal.hint.as_deref().into_iter().collect(),
            Self::Failed(error) => error.hints(),
        }
    }

    /// The code of a refusal.
    pub fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::Failed(_) => None,
        }
    }
}

impl From<Error> for UpstreamError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<UpstreamError> for Error {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Failed(error) => error,
            UpstreamError::Refused(refusal) => {
                let kind = if refusal.code.is_retryable() { ErrorKind::Unreachable } else { ErrorKind::Refused };
                let hint = refusal.hint.clone();
                let error = Self::new(kind, "ask the authority").because(refusal);
                hint.into_iter().fold(error, Self::hint)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_and_keeps_its_hint() {
        let error = Error::configuration("read FILE: it is not there").hint("put it there");
        let error = UpstreamError::from(error);
        assert_eq!(carnet_core::chain(&error), ["read FILE: it is not there"]);
        assert_eq!(error.hints(), ["put it there"]);
    }
}
