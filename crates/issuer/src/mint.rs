//! Signing: which key, for how long, where.

use std::sync::Arc;

use carnet_core::{Error, Secret};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_keys::ActiveAuthority;
use carnet_x509::LeafProfile;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::Issuer;

/// A key that may sign now, and the latest `exp` of what it signs.
pub(crate) struct Signer {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) until: Timestamp,
}

impl Signer {
    /// The `kid` in the header.
    pub(crate) fn kid(&self) -> &str {
        self.key.kid().unwrap_or_default()
    }

    /// The end of what lives for `lifetime` from now, in whole seconds, or of the key.
    pub(crate) fn end(&self, now: Timestamp, lifetime: SignedDuration) -> Timestamp {
        whole_seconds(later(now, lifetime).min(self.until))
    }

    /// Signs. A key that is elsewhere may take its time, and takes it where blocking is allowed.
    pub(crate) async fn sign(&self, header: Map<String, Value>, claims: Map<String, Value>) -> Result<Secret, Error> {
        if !self.key.is_external() {
            return Ok(encode_jwt(&self.key, &header, &claims)?);
        }
        let key = Arc::clone(&self.key);
        let signing = tokio::task::spawn_blocking(move || encode_jwt(&key, &header, &claims));
        Ok(signing.await.map_err(|error| Error::internal("sign a token").because(error))??)
    }
}

impl Issuer {
    /// The key that signs with this algorithm now.
    ///
    /// # Errors
    /// When there is none, or its time is over: nothing is signed with a key that verifiers may have forgotten.
    pub(crate) fn signer(&self, algorithm: Algorithm, now: Timestamp) -> Result<Signer, Error> {
        let ring = self.ring();
        let found = ring.signer(algorithm).zip(ring.signs_until(algorithm)).filter(|(_, until)| *until > now);
        let (key, until) = found.ok_or_else(|| {
            Error::configuration(format!("sign with {algorithm}: no key does so now"))
                .clause("key")
                .hint(format!("add {algorithm} to the algorithms of the authority, or name another for this audience"))
        })?;
        Ok(Signer { key, until })
    }

    /// The authority that signs certificates now.
    pub(crate) fn x509_authority(&self, now: Timestamp) -> Result<Arc<ActiveAuthority>, Error> {
        self.ring().authority().filter(|authority| authority.not_after > now).ok_or_else(|| {
            Error::configuration("sign a certificate: there is no certificate authority now")
                .clause("key")
                .hint("let the authority have an x509 algorithm")
        })
    }
}

/// Signs leaves, each for the key of its SubjectPublicKeyInfo. Where the authority's key is elsewhere, off the runtime.
pub(crate) async fn sign_leaves(
    authority: &Arc<ActiveAuthority>,
    wanted: Vec<(LeafProfile, Vec<u8>)>,
) -> Result<Vec<Vec<u8>>, Error> {
    let sign = move |authority: &ActiveAuthority| -> Result<Vec<Vec<u8>>, Error> {
        let leaves = wanted.iter().map(|(profile, spki)| authority.authority.issue_for_key(profile, spki));
        Ok(leaves.collect::<Result<_, _>>()?)
    };
    if !authority.authority.signing_key().is_external() {
        return sign(authority);
    }
    let authority = Arc::clone(authority);
    let signing = tokio::task::spawn_blocking(move || sign(&authority));
    signing.await.map_err(|error| Error::internal("sign certificates").because(error))?
}

/// `exp` and `iat` are written in whole seconds.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

pub(crate) fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
