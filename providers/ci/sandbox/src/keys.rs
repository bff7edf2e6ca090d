//! Signing keys with a past.

use std::sync::{Arc, Mutex, PoisonError};

use carnet_jose::{Algorithm, Jwk, JwkSet, KeyError, SigningKey};
use carnet_sandbox_kit::LazyKey;
use jiff::{SignedDuration, Timestamp};

/// How long an old key stays in the key set after an orderly rotation: longer than any token it signed.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// The keys of one issuer: the one that signs, those that did, and two that are nobody's.
pub(crate) struct KeyRing {
    active: LazyKey,
    retired: Mutex<Vec<Retired>>,
    /// In no key set: what a forger has.
    stranger: LazyKey,
    /// The same of another type.
    stranger_ec: LazyKey,
}

struct Retired {
    key: Jwk,
    until: Timestamp,
}

impl KeyRing {
    pub(crate) fn new(kid: &str) -> Self {
        Self {
            active: LazyKey::new(Algorithm::Rs256, kid),
            retired: Mutex::default(),
            stranger: LazyKey::new(Algorithm::Rs256, format!("{kid}-stranger")),
            stranger_ec: LazyKey::new(Algorithm::Es256, format!("{kid}-stranger-ec")),
        }
    }

    pub(crate) fn active(&self) -> Result<Arc<SigningKey>, KeyError> {
        self.active.get()
    }

    pub(crate) fn stranger(&self) -> Result<Arc<SigningKey>, KeyError> {
        self.stranger.get()
    }

    pub(crate) fn stranger_ec(&self) -> Result<Arc<SigningKey>, KeyError> {
        self.stranger_ec.get()
    }

    /// The key set: the active key first, then the old ones that are still kept.
    pub(crate) fn jwks(&self, now: Timestamp) -> Result<JwkSet, KeyError> {
        let mut keys = vec![self.active.get()?.public_jwk()];
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|old| old.until > now);
        keys.extend(retired.iter().map(|old| old.key.clone()));
        Ok(JwkSet { keys })
    }

    /// An orderly rotation: the old key stays in the set for a while.
    pub(crate) fn roll(&self, now: Timestamp) -> Result<(), KeyError> {
        let old = Retired { key: self.active.get()?.public_jwk(), until: now.saturating_add(KEPT).unwrap_or(now) };
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).push(old);
        self.active.rotate();
        Ok(())
    }

    /// A rotation in an emergency: all old keys are gone at once.
    pub(crate) fn replace(&self) {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.active.rotate();
    }
}
