//! Session tokens, the ones behind `ST$`.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use carnet_core::Secret;
use carnet_jose::{Algorithm, Claims, Jwk, JwtClause, JwtError, KeySet, PublicKey, Rules, UnverifiedJwt, verify_jwt};
use jiff::{SignedDuration, Timestamp};

use super::{Signer, refuse};
use crate::trust::{Checked, Principal};

/// Most tokens that are remembered. One costs a few kilobytes (claims and parsed key); a busy service sees some hundred
/// principals at a time. When it is full the whole memory starts anew.
const CAPACITY: usize = 1024;

/// Tolerance for `exp` and `iat` of session tokens. UNCONFIRMED: Oracle publishes none; none is the safe side.
const LEEWAY: SignedDuration = SignedDuration::ZERO;

/// How much of the end of a token names it among those that are remembered. The end belongs to the token's own signature,
/// so two good tokens do not share it; whether it is the same token is then compared whole. A digest of the whole token
/// would cost a seventh of the verification that is saved.
const TAIL: usize = 32;

/// Longest token that is remembered unverified, in bytes: real ones have some 2 KB, and strangers must not choose how much is kept.
const MAX_REMEMBERED: usize = 8 * 1024;

/// Verifies session tokens of one auth service and remembers those that are good, until they end.
pub struct SessionVerifier {
    keys: KeySet,
    known: Mutex<HashMap<[u8; TAIL], Known>>,
}

struct Known {
    /// Kept to compare. Without its private key it proves nothing, and it was verified before it came here.
    token: Secret,
    signer: Signer,
    from: Timestamp,
    until: Timestamp,
}

impl SessionVerifier {
    /// `iss` of every session token: a bare name, not a URL.
    pub const ISSUER: &'static str = "authService.oracle.com";
    /// `aud` of session tokens.
    pub const AUDIENCE: &'static str = "oci";

    /// A verifier for tokens that these keys signed.
    pub fn new(keys: KeySet) -> Self {
        Self { keys, known: Mutex::default() }
    }

    /// Who signs with the key that this token names. The token is without its `ST$`.
    ///
    /// # Errors
    /// Clause `token` when it is not a good session token, `expired` when it has ended.
    pub fn verify(&self, token: &str, now: Timestamp) -> Checked<Signer> {
        let Some(tail) = token.as_bytes().last_chunk::<TAIL>() else {
            return self.verify_anew(token, now).map(|known| known.signer);
        };
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known.get(tail)
                && known.from <= now
                && now < known.until
                && known.token.expose() == token
            {
                return Ok(known.signer.clone());
            }
        }
        let found = self.verify_anew(token, now)?;
        let signer = found.signer.clone();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CAPACITY {
            known.clear();
        }
        known.insert(*tail, found);
        Ok(signer)
    }

    fn verify_anew(&self, token: &str, now: Timestamp) -> Checked<Known> {
        let rules = Rules {
            issuer: Some(Self::ISSUER),
            audiences: Some(&[Self::AUDIENCE]),
            algorithms: &[Algorithm::Rs256],
            leeway: LEEWAY,
            require_expiry: true,
            max_lifetime: None,
            types: &[],
        };
        let verified = UnverifiedJwt::parse(token)
            .and_then(|unverified| verify_jwt(&unverified, &self.keys, &rules, now))
            .map_err(|error| refused(&error))?;
        let claims = verified.claims();
        let principal = Arc::new(Principal::from_claims(claims)?);
        let key = Arc::new(session_key(claims)?);
        Ok(Known {
            token: Secret::new(token),
            signer: Signer { principal, key },
            from: claims.time("iat").unwrap_or(now).min(now),
            until: claims.time("exp").unwrap_or(now),
        })
    }
}

/// Whom tokens name, with the keys that they name, before anybody has verified the tokens: for relying parties that let Oracle do
/// so by answering a request that was signed with one. What was read of a token is remembered until it ends: a caller logs in many
/// times with one, and reading costs as much as verifying.
#[derive(Default)]
pub struct SeenTokens {
    known: Mutex<HashMap<[u8; TAIL], SeenToken>>,
}

struct SeenToken {
    /// Kept to compare.
    token: Secret,
    said: Said,
    until: Timestamp,
}

/// What an unverified token says.
#[derive(Clone)]
pub(crate) struct Said {
    /// Whom and which key it names.
    pub(crate) signer: Signer,
    /// Which key of the auth service is to have signed it.
    pub(crate) kid: Option<Arc<str>>,
}

impl SeenTokens {
    /// What this token says.
    ///
    /// # Errors
    /// Clause `token` when it could not be a session token, `expired` when it says that it has ended.
    pub(crate) fn read(&self, token: &str, now: Timestamp) -> Checked<Said> {
        let tail = token.as_bytes().last_chunk::<TAIL>().filter(|_| token.len() <= MAX_REMEMBERED);
        let Some(tail) = tail else { return Ok(read_unverified(token, now)?.0) };
        if let Some(seen) = self.lock().get(tail)
            && now < seen.until
            && seen.token.expose() == token
        {
            return Ok(seen.said.clone());
        }
        let (said, until) = read_unverified(token, now)?;
        let mut known = self.lock();
        // Strangers can fill it, which costs the others one reading.
        if known.len() >= CAPACITY {
            known.clear();
        }
        known.insert(*tail, SeenToken { token: Secret::new(token), said: said.clone(), until });
        Ok(said)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; TAIL], SeenToken>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SeenTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeenTokens")
    }
}

fn read_unverified(token: &str, now: Timestamp) -> Checked<(Said, Timestamp)> {
    let parsed = UnverifiedJwt::parse(token).map_err(|error| refused(&error))?;
    let claims = parsed.unverified_claims();
    let new = "get a new session token: exchange again, or refresh the profile";
    if claims.str("iss") != Some(SessionVerifier::ISSUER) || !claims.audiences().contains(&SessionVerifier::AUDIENCE) {
        let seen = "a token of another issuer, or for another audience";
        return Err(refuse("token", seen, format!("a session token of {}", SessionVerifier::ISSUER), new));
    }
    let until = match claims.time("exp") {
        Some(end) if end > now => end,
        Some(end) => return Err(refuse("expired", end.to_string(), "a token that has not ended", new)),
        None => return Err(refuse("token", "a token without end", "the claim exp", new)),
    };
    let signer = Signer { principal: Arc::new(Principal::from_claims(claims)?), key: Arc::new(session_key(claims)?) };
    Ok((Said { signer, kid: parsed.unverified_kid().map(Arc::from) }, until))
}

impl fmt::Debug for SessionVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionVerifier")
    }
}

/// `jwk` is a JSON string and not an object; no other form has been seen, so none is accepted.
fn session_key(claims: &Claims) -> Checked<PublicKey> {
    let bad = |seen: &str| {
        refuse(
            "token",
            seen,
            "jwk, a JSON string with a public RSA key",
            "get a new session token; this one names no key",
        )
    };
    let text = claims.str("jwk").ok_or_else(|| bad("a token whose jwk is not a string"))?;
    let jwk: Jwk = serde_json::from_str(text).map_err(|_ignored| bad("a jwk that is not a public JSON Web Key"))?;
    let key = PublicKey::from_jwk(&jwk).map_err(|error| bad(&format!("a jwk that is no usable key: {error}")))?;
    if key.allows(Algorithm::Rs256) { Ok(key) } else { Err(bad("a jwk that is not an RSA key for RS256")) }
}

fn refused(error: &JwtError) -> Box<carnet_trust::Refusal> {
    let (clause, fix) = match error.clause {
        JwtClause::Expired => ("expired", "get a new session token: exchange again, or refresh the profile"),
        JwtClause::NotYet => ("not-yet", "set the clock, or wait until the token counts"),
        JwtClause::Key => {
            ("token", "get a new session token; the auth service has changed its key, or never signed this one")
        }
        _ => ("token", "get a new session token from the auth service or the identity domain"),
    };
    refuse(
        clause,
        error.seen.clone().unwrap_or_else(|| error.message.clone()),
        error.wanted.clone().unwrap_or_else(|| format!("a session token of {}", SessionVerifier::ISSUER)),
        fix,
    )
}
