//! JWTs as the library `jsonwebtoken` verifies them: its order, its tolerance (none) and its words.

use carnet_core::Secret;
use carnet_jose::{Algorithm, Claims, JwtClause, KeySet, Rules, UnverifiedJwt, verify_jwt};
use carnet_trust::Warning;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{refused::Why, shown, warning};

/// Longest `exp - iat` of a token that is shown to another party. Longer ones are stored and stolen.
const LONG_LIFE: SignedDuration = SignedDuration::from_hours(24);
pub(super) const FORM_FIX: &str = "send the token as its issuer gave it, one line without a line end";

/// What the library is asked to look at, besides the signature and the times.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected<'a> {
    pub(super) audience: Option<&'a str>,
    pub(super) issuer: Option<&'a str>,
    /// How far clocks may differ.
    pub(super) tolerance: SignedDuration,
}

/// What the library throws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thrown {
    pub(super) clause: &'static str,
    /// Its message.
    pub(super) text: String,
    seen: String,
    wanted: String,
    fix: &'static str,
}

impl Thrown {
    fn new(
        clause: &'static str,
        text: impl Into<String>,
        seen: impl Into<String>,
        wanted: impl Into<String>,
        fix: &'static str,
    ) -> Self {
        Self { clause, text: text.into(), seen: seen.into(), wanted: wanted.into(), fix }
    }

    /// The parts of a refusal.
    pub(super) fn why(&self) -> Why<'_> {
        Why { clause: self.clause, seen: &self.seen, wanted: &self.wanted, fix: self.fix }
    }
}

/// The token, taken apart. `None` when it is no JWT.
pub(super) fn decode(token: &Secret) -> Option<UnverifiedJwt> {
    UnverifiedJwt::parse(token.expose().trim()).ok()
}

/// Exactly the key of this id, as a lookup by id gives it.
pub(super) fn by_kid(keys: &KeySet, kid: &str) -> KeySet {
    keys.iter().filter(|key| key.kid() == Some(kid)).cloned().collect()
}

/// `verify`: signature, `nbf`, `exp`, audience, issuer, in this order.
pub(super) fn verify(
    token: &UnverifiedJwt,
    keys: &KeySet,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<Claims, Box<Thrown>> {
    let rules = Rules {
        issuer: None,
        audiences: None,
        algorithms: &Algorithm::ALL,
        leeway: SignedDuration::MAX,
        require_expiry: false,
        max_lifetime: None,
        types: &[],
    };
    if let Err(error) = verify_jwt(token, keys, &rules, now) {
        let thrown = match error.clause {
            JwtClause::Header => Some(("algorithm", "invalid algorithm")),
            JwtClause::Key | JwtClause::Signature => Some(("signature", "invalid signature")),
            JwtClause::Form | JwtClause::Issuer => Some(("form", "invalid token")),
            // These come after the signature, and follow in the library's own order and words.
            JwtClause::Audience | JwtClause::Claim | JwtClause::Expired | JwtClause::Lifetime | JwtClause::NotYet => {
                None
            }
        };
        if let Some((clause, text)) = thrown {
            let fix = "take a token of the issuer whose keys are configured, unchanged; RS, PS, ES and EdDSA are taken";
            let seen = carnet_core::safe_text(&error.to_string());
            return Err(Box::new(Thrown::new(clause, text, seen, "a signature by a key of the issuer", fix)));
        }
    }
    let claims = token.unverified_claims();
    times(claims, expected.tolerance, now)?;
    audience(claims, expected.audience)?;
    issuer(claims, expected.issuer)?;
    Ok(claims.clone())
}

fn times(claims: &Claims, tolerance: SignedDuration, now: Timestamp) -> Result<(), Box<Thrown>> {
    let clocks = "set the clocks of issuer and server; nothing is tolerated";
    for (name, text) in [("nbf", "invalid nbf value"), ("exp", "invalid exp value")] {
        // A number that is no time is one there, and never comes; it is refused here.
        if claims.get(name).is_some() && claims.time(name).is_none() {
            let fix = "let the issuer write times as seconds since 1970";
            return Err(Box::new(Thrown::new(
                "form",
                text,
                format!("`{name}` is no time"),
                "a number of seconds",
                fix,
            )));
        }
    }
    let ahead = now.saturating_add(tolerance).unwrap_or(Timestamp::MAX);
    if let Some(begin) = claims.time("nbf").filter(|begin| *begin > ahead) {
        let wanted = format!("at most {ahead}");
        return Err(Box::new(Thrown::new("not-yet", "jwt not active", format!("`nbf` {begin}"), wanted, clocks)));
    }
    let behind = now.saturating_sub(tolerance).unwrap_or(Timestamp::MIN);
    if let Some(end) = claims.time("exp").filter(|end| behind >= *end) {
        let fix = "take a fresh token from the issuer for each login";
        let wanted = format!("later than {behind}");
        return Err(Box::new(Thrown::new("expired", "jwt expired", format!("`exp` {end}"), wanted, fix)));
    }
    Ok(())
}

fn audience(claims: &Claims, wanted: Option<&str>) -> Result<(), Box<Thrown>> {
    let Some(wanted) = wanted.filter(|wanted| !claims.audiences().contains(wanted)) else { return Ok(()) };
    let text = format!("jwt audience invalid. expected: {wanted}");
    let fix = "ask the issuer for a token with the wanted audience";
    Err(Box::new(Thrown::new("audience", text, shown(Some(&claims.audiences().join(", "))), wanted, fix)))
}

fn issuer(claims: &Claims, wanted: Option<&str>) -> Result<(), Box<Thrown>> {
    let Some(wanted) = wanted.filter(|wanted| claims.str("iss") != Some(*wanted)) else { return Ok(()) };
    let text = format!("jwt issuer invalid. expected: {wanted}");
    let fix = "configure the issuer as the claim `iss` writes it, character by character; a slash at the end counts";
    Err(Box::new(Thrown::new("issuer", text, shown(claims.str("iss")), wanted, fix)))
}

/// What there is to say against a token that logs in.
pub(super) fn lint(claims: &Claims) -> Vec<Warning> {
    let mut warnings = Vec::new();
    match (claims.time("iat"), claims.time("exp")) {
        (_, None) => warnings.push(warning(
            "times",
            "the token has no `exp`, and none is asked for: it logs in for ever",
            "let the issuer put `exp` into the token",
        )),
        (Some(issued), Some(end)) if end.duration_since(issued) > LONG_LIFE => warnings.push(warning(
            "times",
            "the token was issued for more than a day, and nothing here bounds that",
            "let the issuer make tokens for minutes",
        )),
        _ => {}
    }
    warnings.push(warning(
        "replay",
        "the token may be shown again until it ends, for every identity that takes it",
        "keep its life short, and its audience to one identity",
    ));
    warnings
}

/// Whether JavaScript takes a value for absent: `undefined`, `null`, `false`, `0`, `""`.
pub(super) fn is_falsy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(_) => false,
    }
}
