//! Access tokens: JWTs that this server signs and only it reads, as the servers of 2026 make them. Nothing is stored but what
//! was used and what was revoked; uses are counted exactly, which the product does not promise.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::Secret;
use carnet_infisical::trust::{MAX_TOKEN_AGE, TokenSettings};
use carnet_jose::hmac_sha256;
use carnet_sandbox_kit::World;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    call::{Call, PEER},
    reply::{Answer, ApiError},
    state::{Inner, State},
};

/// Most tokens whose uses are counted, or whose revocation is remembered.
const MAX_COUNTED: usize = 10_000;
/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
const MALFORMED: &str =
    "The provided access token is malformed. Please use a valid token or generate a new one and try again.";

/// What is in a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claims {
    pub(crate) jti: String,
    pub(crate) identity_id: String,
    pub(crate) identity_access_token_id: String,
    pub(crate) identity_name: String,
    pub(crate) auth_method: String,
    pub(crate) auth_token_type: String,
    pub(crate) org_id: String,
    pub(crate) root_org_id: String,
    pub(crate) parent_org_id: String,
    pub(crate) client_secret_id: String,
    #[serde(rename = "accessTokenTTL")]
    pub(crate) access_token_ttl: i64,
    #[serde(rename = "accessTokenMaxTTL")]
    pub(crate) access_token_max_ttl: i64,
    pub(crate) access_token_period: i64,
    pub(crate) creation_epoch: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) num_uses_limit: Option<i64>,
    pub(crate) identity_auth: Value,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
}

/// What is known of tokens beside what stands in them.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// `AUTH_SECRET`
    key: [u8; 32],
    /// Uses by id of the token.
    used: BTreeMap<String, i64>,
    /// Single tokens that were revoked.
    revoked: BTreeMap<String, Timestamp>,
    /// Identity, and auth method or client secret, whose tokens of before this second are revoked.
    scopes: BTreeMap<(String, String), i64>,
}

impl Claims {
    /// The settings that a renewal respects.
    fn settings(&self) -> TokenSettings {
        TokenSettings {
            access_token_ttl: self.access_token_ttl,
            access_token_max_ttl: self.access_token_max_ttl,
            access_token_period: self.access_token_period,
            ..TokenSettings::default()
        }
    }
}

impl Tokens {
    pub(crate) fn new(world: &World) -> Self {
        let mut key = [0; 32];
        world.random.fill(&mut key);
        Self { key, ..Self::default() }
    }

    /// The text of a token.
    pub(crate) fn sign(&self, claims: &Claims) -> Secret {
        let claims = serde_json::to_vec(claims).unwrap_or_default();
        let input = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(&self.key, input.as_bytes()));
        Secret::new(format!("{input}.{signature}"))
    }

    /// What is in a token that this server has signed and that has not ended.
    ///
    /// # Errors
    /// 403 in the words of the library for JWTs.
    pub(crate) fn read(&self, token: &Secret, now: Timestamp) -> Result<Claims, ApiError> {
        let malformed = || ApiError::token(MALFORMED).because("token", "no token", "log in again");
        let parts: Vec<&str> = token.expose().trim().split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { return Err(malformed()) };
        if *header != HEADER {
            let text =
                "The access token is signed with an invalid algorithm. Please provide a valid token and try again.";
            return Err(ApiError::token(text).because("token", "another header", "send a token of Infisical"));
        }
        let signed = hmac_sha256(&self.key, format!("{header}.{claims}").as_bytes());
        if *signature != URL_SAFE_NO_PAD.encode(signed) {
            let error = ApiError::token("invalid signature");
            return Err(error.because("token", "another signature", "log in at this server"));
        }
        let claims = URL_SAFE_NO_PAD.decode(claims).ok().and_then(|claims| serde_json::from_slice(&claims).ok());
        let claims: Claims = claims.ok_or_else(malformed)?;
        if now.as_second() >= claims.exp {
            let error = ApiError::token("Your token has expired. Please re-authenticate.");
            return Err(error.because("expired", "a token that has ended", "log in again, or renew in time"));
        }
        Ok(claims)
    }

    /// Revokes what an auth method or a client secret has given so far.
    pub(crate) fn revoke_scope(&mut self, identity: &str, scope: &str, now: Timestamp) {
        self.scopes.insert((identity.to_owned(), scope.to_owned()), now.as_second());
    }

    fn check_revoked(&self, claims: &Claims, prefix: &str) -> Result<(), ApiError> {
        let fix = "log in again, if the revocation was not meant";
        if self.revoked.contains_key(&claims.jti) {
            let error = ApiError::unauthorized(format!("{prefix}: access token has been revoked"));
            return Err(error.because("revoked", "a token that was revoked", fix));
        }
        let scope = |scope: &str| self.scopes.get(&(claims.identity_id.clone(), scope.to_owned()));
        let marks = [scope(&claims.auth_method), scope(&claims.client_secret_id)];
        // Whole seconds: what was given in the same second is revoked as well.
        if marks.into_iter().flatten().any(|mark| claims.iat <= *mark) {
            let error = ApiError::unauthorized(format!("{prefix}: identity tokens have been revoked"));
            return Err(error.because("revoked", "a token of what was removed", fix));
        }
        Ok(())
    }

    /// Counts a use. What is counted is never forgotten, so there is an end to how many tokens are.
    fn use_once(&mut self, id: &str) -> Result<(), ApiError> {
        if self.used.len() >= MAX_COUNTED && !self.used.contains_key(id) {
            return Err(ApiError::bad(format!("the sandbox counts the uses of at most {MAX_COUNTED} tokens")));
        }
        let used = self.used.entry(id.to_owned()).or_default();
        *used = used.saturating_add(1);
        Ok(())
    }

    /// Revokes one token, with all that it was renewed to.
    fn revoke(&mut self, id: String, now: Timestamp) -> Result<(), ApiError> {
        // Marks of tokens that can no longer live are of no use.
        self.revoked.retain(|_, at| now.duration_since(*at) < MAX_TOKEN_AGE);
        if self.revoked.len() >= MAX_COUNTED {
            return Err(ApiError::bad(format!("the sandbox remembers at most {MAX_COUNTED} revoked tokens")));
        }
        self.revoked.insert(id, now);
        Ok(())
    }

    fn remaining(&self, claims: &Claims) -> Option<i64> {
        let used = self.used.get(&claims.jti).copied().unwrap_or_default();
        claims.num_uses_limit.map(|limit| limit.saturating_sub(used))
    }
}

/// Who calls. Each call uses the token once, one from a wrong network too.
///
/// # Errors
/// 401 and 403.
pub(crate) fn authenticate(state: &State, call: &Call) -> Result<Claims, ApiError> {
    let token = call.bearer().ok_or_else(|| {
        ApiError::unauthorized("Token missing").because("token", "no token", "send `Authorization: Bearer`")
    })?;
    let now = state.now();
    let mut inner = state.lock();
    let claims = inner.tokens.read(&token, now)?;
    inner.tokens.check_revoked(&claims, "Failed to authorize")?;
    if let Some(remaining) = inner.tokens.remaining(&claims) {
        if remaining <= 0 {
            let error = ApiError::unauthorized("Failed to authorize: token usage limit reached");
            return Err(error.because("uses", "a token that is used up", "log in again, or raise the limit"));
        }
        inner.tokens.use_once(&claims.jti)?;
    }
    let method = inner.identities.get(&claims.identity_id).and_then(|one| one.methods.get(claims.auth_method.as_str()));
    let method = method.ok_or_else(|| {
        let error = ApiError::unauthorized("Failed to authorize: identity tokens have been revoked");
        error.because("revoked", "a token of an identity or method that is gone", "log in again")
    })?;
    method.check_address(PEER)?;
    Ok(claims)
}

/// `POST auth/token/renew`. Needs nothing but the token, and does not use it.
pub(crate) fn renew(state: &State, call: &Call) -> Answer {
    let token = Secret::new(call.need("accessToken")?);
    let now = state.now();
    let inner = state.lock();
    let claims = inner.tokens.read(&token, now)?;
    inner.tokens.check_revoked(&claims, "Cannot renew")?;
    if inner.tokens.remaining(&claims).is_some_and(|remaining| remaining <= 0) {
        let error = ApiError::unauthorized("Cannot renew exhausted access token");
        return Err(error.because("uses", "a token that is used up", "log in again"));
    }
    let created = Timestamp::from_second(claims.creation_epoch).unwrap_or(now);
    let life = claims.settings().life(created, now);
    if !life.is_positive() {
        let error = ApiError::unauthorized("Cannot renew: identity access token has reached its max TTL");
        return Err(error.because("max-ttl", "a token at the end of its longest life", "log in again"));
    }
    let max = claims.access_token_max_ttl;
    let renewed = Claims { iat: now.as_second(), exp: end(now, life), ..claims };
    Ok(issued(&inner.tokens.sign(&renewed), life.as_secs(), max))
}

/// `POST auth/token/revoke`.
pub(crate) fn revoke(state: &State, call: &Call) -> Answer {
    let token = Secret::new(call.need("accessToken")?);
    let now = state.now();
    let mut inner = state.lock();
    let claims = inner.tokens.read(&token, now)?;
    inner.tokens.revoke(claims.jti, now)?;
    Ok(json!({ "message": "Successfully revoked access token" }))
}

/// The answer of a login or a renewal. `ttl` is what is said, and not always what is given.
pub(crate) fn issued(token: &Secret, ttl: i64, max: i64) -> Value {
    json!({ "accessToken": token.expose(), "expiresIn": ttl, "accessTokenMaxTTL": max, "tokenType": "Bearer" })
}

/// The second in which a token ends.
pub(crate) fn end(now: Timestamp, life: SignedDuration) -> i64 {
    now.as_second().saturating_add(life.as_secs())
}

/// Whether the identity may change identities and projects.
///
/// # Errors
/// 403.
pub(crate) fn check_admin(inner: &Inner, claims: &Claims, action: &str, subject: &str) -> Result<(), ApiError> {
    if inner.identities.get(&claims.identity_id).is_some_and(|identity| identity.admin) {
        return Ok(());
    }
    Err(ApiError::denied(action, subject, "an identity that is no administrator"))
}
