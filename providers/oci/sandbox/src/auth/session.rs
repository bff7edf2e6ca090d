//! Session tokens, the ones that go behind `ST$`.

use carnet_core::Secret;
use carnet_jose::{Algorithm, KeyError, encode_jwt};
use carnet_oci::trust::signature::SessionVerifier;
use carnet_sandbox_kit::{FaultKind, LazyKey, World};
use jiff::SignedDuration;
use serde_json::{Map, Value};

/// The one signer of session tokens: user, resource, instance and workload alike.
#[derive(Debug)]
pub(crate) struct AuthService {
    world: World,
    key: LazyKey,
    verifier: SessionVerifier,
}

/// What a session token should say.
#[derive(Debug)]
pub(crate) struct SessionGrant<'a> {
    /// The service that asks: its clock and its faults count.
    pub(crate) service: &'static str,
    /// `sub`, `ptype`, `tenant` and whatever else belongs to the principal. What stands here wins over what is set by
    /// itself: `iss`, `aud`, `iat`, `exp`, `jti`, `jwk`.
    pub(crate) claims: Map<String, Value>,
    /// The session's public key as JWK; goes into `jwk` as a JSON string.
    pub(crate) key: &'a carnet_jose::Jwk,
    /// How long it lives.
    pub(crate) lifetime: SignedDuration,
}

impl AuthService {
    /// An auth service whose key is made when it is first needed.
    pub(crate) fn new(world: World) -> Self {
        Self { world, key: LazyKey::new(Algorithm::Rs256, "asw_iad_carnet"), verifier: SessionVerifier::default() }
    }

    /// Signs a session token. Under the fault `expired` it has ended a minute before it is given.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub(crate) fn mint_session(&self, grant: SessionGrant<'_>) -> Result<Secret, KeyError> {
        let mut issued = self.world.now(grant.service);
        if self.world.faults.hits(FaultKind::Expired, grant.service, "") {
            let back = grant.lifetime.saturating_add(SignedDuration::from_mins(1));
            issued = issued.saturating_sub(back).unwrap_or(issued);
        }
        let expires = issued.saturating_add(grant.lifetime).unwrap_or(issued);
        let jwk = serde_json::to_string(grant.key).map_err(|error| KeyError(error.to_string()))?;
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), SessionVerifier::ISSUER.into());
        claims.insert("aud".to_owned(), SessionVerifier::AUDIENCE.into());
        claims.insert("iat".to_owned(), issued.as_second().into());
        claims.insert("exp".to_owned(), expires.as_second().into());
        claims.insert("jti".to_owned(), self.world.random_hex::<16>().into());
        claims.insert("jwk".to_owned(), jwk.into());
        claims.extend(grant.claims);
        let key = self.key.get()?;
        encode_jwt(&key, &Map::new(), &claims)
    }

    /// Makes the key if there is none.
    pub(crate) fn warm(&self) {
        // A failure shows at the first use, with its reason.
        let _ = self.key.get();
    }

    /// Replaces the key: tokens signed by the old one no longer verify.
    pub(crate) fn rotate(&self) {
        self.key.rotate();
        self.verifier.forget();
    }
}
