//! Session tokens, the ones that go behind `ST$`, and the other tokens that the same key signs.

use std::sync::{Arc, Mutex, PoisonError};

use carnet_core::Secret;
use carnet_jose::{Algorithm, Claims, Jwk, KeyError, KeySet, PublicKey, Rules, UnverifiedJwt, encode_jwt, verify_jwt};
use carnet_oci::trust::{
    Checked,
    signature::{SessionVerifier, Signer},
};
use carnet_sandbox_kit::{FaultKind, LazyKey, World};
use carnet_trust::Refusal;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

/// `kid` of the service's key. The prefix and the region are those of public samples.
const KEY_ID: &str = "asw_iad_carnet";

/// The one signer of session tokens: user, resource, instance and workload alike.
#[derive(Debug)]
pub(crate) struct AuthService {
    world: World,
    key: LazyKey,
    verifiers: Mutex<Option<Arc<Verifiers>>>,
}

/// The verifying half of the current key.
#[derive(Debug)]
struct Verifiers {
    sessions: SessionVerifier,
    keys: KeySet,
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
    pub(crate) key: &'a Jwk,
    /// How long it lives.
    pub(crate) lifetime: SignedDuration,
}

impl AuthService {
    /// An auth service whose key is made when it is first needed.
    pub(crate) fn new(world: World) -> Self {
        let key = LazyKey::twin(&world.issuers, KEY_ID);
        Self { world, key, verifiers: Mutex::default() }
    }

    /// Signs a session token. Under the fault `expired` it has ended a minute before it is given.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub(crate) fn mint_session(&self, grant: SessionGrant<'_>) -> Result<Secret, KeyError> {
        let jwk = serde_json::to_string(grant.key).map_err(|error| KeyError(error.to_string()))?;
        let mut claims = Map::from_iter([
            ("aud".to_owned(), Value::from(SessionVerifier::AUDIENCE)),
            ("jwk".to_owned(), Value::from(jwk)),
        ]);
        claims.extend(grant.claims);
        self.mint(grant.service, claims, grant.lifetime)
    }

    /// Signs any token of this issuer: `iss`, `iat`, `exp` and `jti` are set unless the claims have them.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub(crate) fn mint(
        &self,
        service: &'static str,
        own: Map<String, Value>,
        lifetime: SignedDuration,
    ) -> Result<Secret, KeyError> {
        let mut issued = self.world.now(service);
        if self.world.faults.hits(FaultKind::Expired, service, "") {
            let back = lifetime.saturating_add(SignedDuration::from_mins(1));
            issued = issued.saturating_sub(back).unwrap_or(issued);
        }
        let expires = issued.saturating_add(lifetime).unwrap_or(issued);
        let mut claims = Map::from_iter([
            ("iss".to_owned(), Value::from(SessionVerifier::ISSUER)),
            ("iat".to_owned(), Value::from(issued.as_second())),
            ("exp".to_owned(), Value::from(expires.as_second())),
            ("jti".to_owned(), Value::from(self.world.random_hex::<16>())),
        ]);
        claims.extend(own);
        encode_jwt(&*self.key.get()?, &Map::new(), &claims)
    }

    /// Who signs with the key that this session token names. The token is without its `ST$`.
    ///
    /// # Errors
    /// Clause `token` or `expired`.
    pub(crate) fn verify_session(&self, token: &str, now: Timestamp) -> Checked<Signer> {
        self.verifiers()?.sessions.verify(token, now)
    }

    /// The claims of another token of this issuer, for this audience.
    ///
    /// # Errors
    /// Clause `token` or `expired`.
    pub(crate) fn verify_token(&self, token: &str, audience: &str, now: Timestamp) -> Checked<Claims> {
        let verifiers = self.verifiers()?;
        let rules = Rules {
            issuer: Some(SessionVerifier::ISSUER),
            audiences: Some(&[audience]),
            algorithms: &[Algorithm::Rs256],
            leeway: SignedDuration::ZERO,
            require_expiry: true,
            max_lifetime: None,
            types: &[],
        };
        UnverifiedJwt::parse(token)
            .and_then(|unverified| verify_jwt(&unverified, &verifiers.keys, &rules, now))
            .map(|verified| verified.claims().clone())
            .map_err(|error| {
                Box::new(Refusal::new(
                    "token",
                    error.seen.clone().unwrap_or_else(|| error.message.clone()),
                    error.wanted.clone().unwrap_or_else(|| format!("a token for {audience}")),
                    "NotAuthenticated",
                    "ask for the token again",
                ))
            })
    }

    /// Makes the key if there is none. A failure shows at the first use, with its reason.
    pub(crate) fn warm(&self) {
        let _ = self.verifiers();
    }

    /// Replaces the key: tokens signed by the old one no longer verify.
    pub(crate) fn rotate(&self) {
        let mut verifiers = self.verifiers.lock().unwrap_or_else(PoisonError::into_inner);
        self.key.rotate();
        *verifiers = None;
    }

    fn verifiers(&self) -> Checked<Arc<Verifiers>> {
        let mut verifiers = self.verifiers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = &*verifiers {
            return Ok(Arc::clone(found));
        }
        let public = self.key.get().and_then(|key| key.public_key()).map_err(|error| {
            Box::new(Refusal::new(
                "key",
                error.to_string(),
                "a key of the auth service",
                "InternalServerError",
                "try again",
            ))
        })?;
        let keys = KeySet::of(public);
        let made = Arc::new(Verifiers { sessions: SessionVerifier::new(keys.clone()), keys });
        *verifiers = Some(Arc::clone(&made));
        Ok(made)
    }
}

/// The JWK that goes into a session token, as public samples have it: `kid`, `use` and `alg` beside the key.
pub(crate) fn session_jwk(key: &PublicKey, kid: Option<&str>) -> Jwk {
    let mut jwk = key.to_jwk();
    jwk.key_use = Some("sig".to_owned());
    jwk.alg = Some(Algorithm::Rs256.name().to_owned());
    jwk.kid = kid.map(str::to_owned);
    jwk
}
