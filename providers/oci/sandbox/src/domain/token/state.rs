//! What the token endpoint remembers.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use carnet_jose::sha256;
use jiff::Timestamp;

use super::access::Holder;

/// Most refresh tokens and used assertions that are remembered. The oldest refresh token goes first; used assertions are
/// never forgotten before they expire, so more of them are refused.
const MAX_REMEMBERED: usize = 10_000;

/// Refresh tokens that were given, and client assertions that were used.
#[derive(Debug, Default)]
pub(in crate::domain) struct TokenState {
    refresh: Mutex<BTreeMap<[u8; 32], RefreshGrant>>,
    assertions: Mutex<BTreeMap<[u8; 32], Timestamp>>,
}

/// What a refresh token stands for. Only the hash of the token is kept.
#[derive(Clone, Debug)]
pub(super) struct RefreshGrant {
    pub(super) client_id: String,
    pub(super) holder: Holder,
    pub(super) scope: String,
    pub(super) given: Timestamp,
}

impl TokenState {
    /// Remembers a refresh token.
    pub(super) fn keep_refresh(&self, token: &str, grant: RefreshGrant) {
        let mut kept = self.refresh.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_REMEMBERED {
            let oldest = kept.iter().min_by_key(|(_, grant)| grant.given).map(|(hash, _)| *hash);
            oldest.and_then(|hash| kept.remove(&hash));
        }
        kept.insert(sha256(token.as_bytes()), grant);
    }

    /// Takes a refresh token back: it works once.
    pub(super) fn take_refresh(&self, token: &str) -> Option<RefreshGrant> {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner).remove(&sha256(token.as_bytes()))
    }

    /// Whether a client assertion is used for the first time (RFC 7523, 3, on `jti`).
    pub(super) fn is_first_use(&self, assertion: &str, expires: Timestamp, now: Timestamp) -> bool {
        let mut used = self.assertions.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, expires| *expires > now);
        used.len() < MAX_REMEMBERED && used.insert(sha256(assertion.as_bytes()), expires).is_none()
    }
}
