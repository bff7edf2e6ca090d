//! When a token counts.

use carnet_jose::Claims;
use carnet_trust::Refusal;
use jiff::{SignedDuration, Timestamp};

use super::refuse;

/// `expiration_leeway` and `not_before_leeway` of a role that sets none (`cap/jwt`, `DefaultLeewaySeconds`).
const DEFAULT_LEEWAY: i64 = 150;
/// `clock_skew_leeway` of a role that sets none (`go-jose`, `DefaultLeeway`).
const DEFAULT_SKEW: i64 = 60;

/// The three leeways of a role with their defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leeways {
    /// How long a token without `exp` lives.
    pub expiration: SignedDuration,
    /// How long before `exp` a token with neither `nbf` nor `iat` begins.
    pub not_before: SignedDuration,
    /// How far clocks may differ.
    pub skew: SignedDuration,
}

impl Leeways {
    /// Of the seconds of a role: 0 is the default, less than 0 is none.
    pub fn of(expiration: i64, not_before: i64, skew: i64) -> Self {
        let span = |seconds: i64, default: i64| match seconds {
            0 => SignedDuration::from_secs(default),
            given => SignedDuration::from_secs(given.max(0)),
        };
        Self {
            expiration: span(expiration, DEFAULT_LEEWAY),
            not_before: span(not_before, DEFAULT_LEEWAY),
            skew: span(skew, DEFAULT_SKEW),
        }
    }
}

/// Checks `iat`, `nbf` and `exp` as `cap/jwt` does. A time of 0 is none; equality passes; fractions are cut off.
///
/// # Errors
/// The clauses `times`, `not-yet` and `expired`.
pub(super) fn check(claims: &Claims, leeways: Leeways, now: Timestamp) -> Result<(), Box<Refusal>> {
    let time = |name| claims.time(name).filter(|time| *time != Timestamp::UNIX_EPOCH);
    let (issued, not_before, expiry) = (time("iat"), time("nbf"), time("exp"));
    let Some(latest) = issued.max(not_before).max(expiry) else {
        let text =
            "error validating token: no issued at (iat), not before (nbf), or expiration time (exp) claims in token";
        let fix = "let the issuer put `exp` and `iat` into the token";
        return Err(refuse("times", "none of iat, nbf, exp", "at least one, better all", text, fix));
    };
    let expiry = expiry.unwrap_or_else(|| later(issued.max(not_before).unwrap_or(latest), leeways.expiration));
    let not_before = not_before.or(issued).unwrap_or_else(|| earlier(expiry, leeways.not_before));
    let (ahead, behind) = (later(now, leeways.skew), earlier(now, leeways.skew));
    let clocks = "set the clocks of the issuer and of the server; `clock_skew_leeway` of the role widens what is taken";
    if ahead < not_before {
        let text = "error validating token: invalid not before (nbf) claim: token not yet valid";
        return Err(refuse("not-yet", format!("`nbf` {not_before}"), format!("at most {ahead}"), text, clocks));
    }
    if behind > expiry {
        let text = "error validating token: invalid expiration time (exp) claim: token is expired";
        let fix = "take a fresh token from the issuer for each login";
        return Err(refuse("expired", format!("`exp` {expiry}"), format!("at least {behind}"), text, fix));
    }
    if let Some(issued) = issued.filter(|issued| ahead < *issued) {
        let text = "error validating token: invalid issued at (iat) claim: token issued in the future";
        return Err(refuse("not-yet", format!("`iat` {issued}"), format!("at most {ahead}"), text, clocks));
    }
    Ok(())
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_sub(by).unwrap_or(Timestamp::MIN)
}
