//! Verifying: the only way to get a [`VerifiedJwt`].

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{Algorithm, Claims, JwtClause, JwtError, KeySet, PublicKey, UnverifiedJwt};

/// What a token must be. There is no default, because what must be checked depends on who the token is for
/// (RFC 8725, 3.8 to 3.12).
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// `iss`, compared byte for byte. `None` only where the caller has already picked the keys by issuer.
    pub issuer: Option<&'a str>,
    /// `aud` must contain one of these. `None` only where the other side's own rules do not look at it.
    pub audiences: Option<&'a [&'a str]>,
    /// Algorithms that are accepted; the key's own algorithm must be among them.
    pub algorithms: &'a [Algorithm],
    /// Tolerance for clocks that disagree, applied to `exp`, `nbf` and `iat`.
    pub leeway: SignedDuration,
    /// Whether `exp` must be there.
    pub require_expiry: bool,
    /// Longest `exp - iat`, if bounded; a token without `iat` is then refused.
    pub max_lifetime: Option<SignedDuration>,
    /// Accepted `typ` values without `application/`, compared without case; an absent `typ` passes. Empty: any but those
    /// of other token classes is the caller's business.
    pub types: &'a [&'a str],
}

/// A token whose signature, issuer, audience and times were checked.
#[derive(Clone, Debug)]
pub struct VerifiedJwt {
    claims: Arc<Claims>,
    algorithm: Algorithm,
    key: PublicKey,
}

impl VerifiedJwt {
    /// Its claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The algorithm that verified it.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid` of the key that verified it.
    pub fn kid(&self) -> Option<&str> {
        self.key.kid()
    }

    /// The key that verified it.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}

/// Verifies a token with the keys of its issuer, in the order of [`crate::JwtClause`].
pub fn verify_jwt(
    token: &UnverifiedJwt,
    keys: &KeySet,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<VerifiedJwt, JwtError> {
    let algorithm = check_header(token, rules)?;
    let claims = token.unverified_claims();
    check_issuer(claims, rules)?;
    let key = check_signature(token, keys, algorithm)?;
    check_audience(claims, rules)?;
    check_times(claims, rules, now)?;
    Ok(VerifiedJwt { claims: token.shared_claims(), algorithm, key: key.clone() })
}

/// Header members that make a verifier fetch, believe or understand something of the token's own choosing
/// (RFC 8725, 3.10; RFC 7515, 4.1.11; RFC 7797, 3).
const REFUSED_MEMBERS: [&str; 5] = ["crit", "jku", "x5u", "jwk", "b64"];

fn check_header(token: &UnverifiedJwt, rules: &Rules<'_>) -> Result<Algorithm, JwtError> {
    let header = token.unverified_header();
    if let Some(member) = header.keys().find(|member| REFUSED_MEMBERS.contains(&member.as_str())) {
        return Err(
            JwtError::new(JwtClause::Header, format!("the header member {member:?} is refused")).seen(member.as_str())
        );
    }
    let seen = token.unverified_alg();
    let wanted = || rules.algorithms.iter().map(|algorithm| algorithm.name()).collect::<Vec<_>>().join(", ");
    let algorithm = Algorithm::from_name(seen).filter(|algorithm| rules.algorithms.contains(algorithm));
    let algorithm = algorithm.ok_or_else(|| {
        JwtError::new(JwtClause::Header, format!("algorithm {} is not accepted", shown(seen)))
            .seen(seen)
            .wanted(wanted())
    })?;
    match header.get("typ") {
        None => Ok(algorithm),
        Some(Value::String(seen)) if rules.types.is_empty() || rules.types.iter().any(|kind| same_type(seen, kind)) => {
            Ok(algorithm)
        }
        Some(Value::String(seen)) => {
            let error = JwtError::new(JwtClause::Header, format!("type {} is not accepted", shown(seen)));
            Err(error.seen(seen).wanted(rules.types.join(", ")))
        }
        Some(_) => Err(JwtError::new(JwtClause::Header, "the header member \"typ\" is not a string")),
    }
}

/// Media types are compared without case and with `application/` left out (RFC 7515, 4.1.9).
fn same_type(seen: &str, wanted: &str) -> bool {
    let seen = match seen.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") && !rest.contains('/') => rest,
        _ => seen,
    };
    seen.eq_ignore_ascii_case(wanted)
}

fn check_issuer(claims: &Claims, rules: &Rules<'_>) -> Result<(), JwtError> {
    let Some(wanted) = rules.issuer else { return Ok(()) };
    match claims.get("iss") {
        Some(Value::String(seen)) if seen == wanted => Ok(()),
        Some(Value::String(seen)) => {
            let error = JwtError::new(JwtClause::Issuer, format!("issuer {} is not the one trusted", shown(seen)));
            Err(error.seen(seen).wanted(wanted))
        }
        Some(_) => Err(JwtError::new(JwtClause::Issuer, "claim \"iss\" is not a string").wanted(wanted)),
        None => Err(JwtError::new(JwtClause::Issuer, "claim \"iss\" is missing").wanted(wanted)),
    }
}

fn check_signature<'k>(
    token: &UnverifiedJwt,
    keys: &'k KeySet,
    algorithm: Algorithm,
) -> Result<&'k PublicKey, JwtError> {
    let kid = token.unverified_kid();
    let mut fitting = keys.candidates(kid).filter(|key| key.allows(algorithm)).peekable();
    if fitting.peek().is_none() {
        return Err(no_key(keys, kid, algorithm));
    }
    fitting
        .find(|key| key.verify(algorithm, token.signing_input(), token.signature()))
        .ok_or_else(|| JwtError::new(JwtClause::Signature, "the signature does not verify"))
}

fn no_key(keys: &KeySet, kid: Option<&str>, algorithm: Algorithm) -> JwtError {
    let named = kid.map(|kid| format!(" with the id {}", shown(kid))).unwrap_or_default();
    let message = if keys.is_empty() {
        "the issuer has no usable key".to_owned()
    } else if keys.candidates(kid).next().is_some() {
        format!("the issuer's key{named} is not for {algorithm}")
    } else {
        format!("the issuer has no key{named}")
    };
    let known: Vec<&str> = keys.iter().filter_map(PublicKey::kid).take(SHOWN_KEYS).collect();
    let error = JwtError::new(JwtClause::Key, message);
    let error = kid.map_or(error.clone(), |kid| error.seen(kid));
    if known.is_empty() { error } else { error.wanted(known.join(", ")) }
}

/// Most key ids that an error lists: enough to see a rotation, few enough for one line.
const SHOWN_KEYS: usize = 5;

fn check_audience(claims: &Claims, rules: &Rules<'_>) -> Result<(), JwtError> {
    let accepted = rules.audiences;
    let fail = |message: String| {
        let error = JwtError::new(JwtClause::Audience, message);
        accepted.map_or(error.clone(), |accepted| error.wanted(accepted.join(", ")))
    };
    // The form is looked at in any case: whoever reads `aud` later must not read half of it.
    match claims.get("aud") {
        None if accepted.is_none() => return Ok(()),
        None => return Err(fail("claim \"aud\" is missing".to_owned())),
        Some(Value::String(_)) => {}
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {}
        Some(_) => return Err(fail("claim \"aud\" is neither a string nor an array of strings".to_owned())),
    }
    let seen = claims.audiences();
    if accepted.is_none_or(|accepted| seen.iter().any(|seen| accepted.contains(seen))) {
        return Ok(());
    }
    let seen = seen.join(", ");
    Err(fail(format!("audience {} is not accepted", shown(&seen))).seen(seen))
}

fn check_times(claims: &Claims, rules: &Rules<'_>, now: Timestamp) -> Result<(), JwtError> {
    let names = ["exp", "nbf", "iat"];
    let times = names.map(|name| claims.time(name));
    let [expiry, not_before, issued] = times;
    if let Some(expiry) = expiry
        && now >= later(expiry, rules.leeway)
    {
        let error = JwtError::new(JwtClause::Expired, format!("it expired at {expiry}, and now it is {now}"));
        return Err(error.seen(expiry.to_string()).wanted(format!("later than {now}")));
    }
    for (name, time) in [("nbf", not_before), ("iat", issued)] {
        if let Some(time) = time
            && time > later(now, rules.leeway)
        {
            let error = JwtError::new(JwtClause::NotYet, format!("claim {name:?} is {time}, and now it is only {now}"));
            return Err(error.seen(time.to_string()).wanted(format!("not later than {now}")));
        }
    }
    let mut unreadable =
        names.into_iter().zip(times).filter(|(name, time)| time.is_none() && claims.get(name).is_some());
    if let Some((name, _)) = unreadable.next() {
        return Err(JwtError::new(JwtClause::Claim, format!("claim {name:?} is not a date in seconds")));
    }
    if let Some(longest) = rules.max_lifetime {
        check_lifetime(expiry, issued, longest, rules.leeway, now)?;
    }
    if rules.require_expiry && expiry.is_none() {
        return Err(JwtError::new(JwtClause::Claim, "claim \"exp\" is missing"));
    }
    Ok(())
}

fn check_lifetime(
    expiry: Option<Timestamp>,
    issued: Option<Timestamp>,
    longest: SignedDuration,
    leeway: SignedDuration,
    now: Timestamp,
) -> Result<(), JwtError> {
    let error = |message: String| JwtError::new(JwtClause::Lifetime, message).wanted(format!("at most {longest:#}"));
    let Some(issued) = issued else {
        return Err(error("claim \"iat\" is missing, so the lifetime is not known".to_owned()));
    };
    if let Some(lifetime) = expiry.map(|expiry| expiry.duration_since(issued))
        && lifetime > longest
    {
        return Err(error(format!("it was issued for {lifetime:#}")).seen(format!("{lifetime:#}")));
    }
    let age = now.duration_since(issued);
    if expiry.is_none() && age > longest.saturating_add(leeway) {
        return Err(error(format!("it was issued {age:#} ago and never expires")).seen(format!("{age:#}")));
    }
    Ok(())
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// A value of the token as it may stand in a message: quoted, control characters escaped, cut.
fn shown(value: &str) -> String {
    const MOST: usize = 200;
    let mut cut: String = value.chars().take(MOST).collect();
    if cut.len() < value.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}

#[cfg(test)]
mod tests;
