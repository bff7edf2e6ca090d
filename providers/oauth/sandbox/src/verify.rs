//! From a token to claims that can be believed.

use std::sync::Arc;

use carnet_core::{Secret, chain, safe_text};
use carnet_jose::{Claims, JwtClause, KeySet, Rules, UnverifiedJwt, verify_jwt};
use jiff::Timestamp;

use crate::{
    face::{Face, Reason},
    reply::Failure,
    state::State,
};

/// The token, read and not yet believed.
///
/// # Errors
/// What is no JWT.
pub(crate) fn parse(token: &Secret) -> Result<UnverifiedJwt, Failure> {
    // The error tells lengths and places, never what stood there.
    UnverifiedJwt::parse(token.expose())
        .map_err(|error| Failure::new(Reason::Form, safe_text(&error.to_string()), "a signed JWT"))
}

/// Refuses a token that names no key, where it must.
///
/// # Errors
/// [`Reason::NoKeyId`].
pub(crate) fn check_key_id(face: &Face, token: &UnverifiedJwt) -> Result<(), Failure> {
    if face.kid && token.unverified_kid().is_none() {
        return Err(Failure::new(Reason::NoKeyId, "no `kid`", "a `kid` in the header"));
    }
    Ok(())
}

/// The keys of an issuer.
///
/// # Errors
/// [`Reason::Keys`].
pub(crate) async fn keys(state: &State, issuer: &str, kid: Option<&str>) -> Result<Arc<KeySet>, Failure> {
    state.issuers.keys(issuer, kid).await.map_err(|error| {
        let seen = safe_text(&chain(&error).join(": "));
        Failure::new(Reason::Keys, seen, safe_text(issuer))
    })
}

/// The claims of a token that this issuer signed and that has not ended.
///
/// # Errors
/// The first check that fails.
pub(crate) async fn claims(
    state: &State,
    face: &Face,
    token: &UnverifiedJwt,
    issuer: &str,
    now: Timestamp,
) -> Result<Claims, Failure> {
    let keys = keys(state, issuer, token.unverified_kid()).await?;
    let own: Vec<&str> = face.manner.audience.into_iter().collect();
    let rules = Rules {
        issuer: Some(issuer),
        audiences: face.audience_first.then_some(own.as_slice()),
        algorithms: face.algorithms,
        leeway: face.manner.leeway,
        require_expiry: face.manner.expiry_needed,
        max_lifetime: None,
        types: &[],
    };
    let verified = verify_jwt(token, &keys, &rules, now).map_err(|error| {
        let wanted = error.wanted.clone().unwrap_or_else(|| "a token that holds".to_owned());
        Failure::new(reason(error.clause), safe_text(&error.to_string()), safe_text(&wanted))
    })?;
    let claims = verified.claims().clone();
    if let Some(name) = face.needed.iter().find(|name| claims.get(name).is_none()) {
        return Err(Failure::new(Reason::NoClaim, format!("no `{name}`"), *name));
    }
    Ok(claims)
}

fn reason(clause: JwtClause) -> Reason {
    match clause {
        JwtClause::Form => Reason::Form,
        JwtClause::Header => Reason::Algorithm,
        JwtClause::Issuer => Reason::Issuer,
        JwtClause::Key => Reason::NoKey,
        JwtClause::Signature => Reason::Signature,
        JwtClause::Audience => Reason::Audience,
        JwtClause::Expired | JwtClause::Lifetime => Reason::Expired,
        JwtClause::NotYet => Reason::NotYet,
        JwtClause::Claim => Reason::NoClaim,
    }
}
