//! How a refusal is worded, and under which code.

use carnet_jose::{JwtClause, JwtError};
use carnet_trust::Refusal;

/// No trust has the token's issuer. `near` is the issuer of the trust that comes nearest.
pub(super) fn issuer(seen: &str, near: Option<&str>) -> Box<Refusal> {
    let fix = match near {
        Some(near) if near.trim_end_matches('/') == seen.trim_end_matches('/') => {
            "write issuer in the trust exactly as iss in the token: they differ by a trailing slash"
        }
        _ => "create an identity propagation trust whose issuer is exactly iss of the token",
    };
    let seen = if seen.is_empty() { "no iss" } else { seen };
    of_grant("issuer", seen, near.unwrap_or("the issuer of a trust of this identity domain"), fix)
}

/// The token does not verify.
pub(super) fn of_jwt(error: JwtError) -> Box<Refusal> {
    let (clause, fix) = match error.clause {
        JwtClause::Form => ("form", "send the JWT as it was issued, without white space around it"),
        JwtClause::Header => ("header", "use an issuer that signs with RS256 and a plain header"),
        JwtClause::Issuer => ("issuer", "write issuer in the trust exactly as iss in the token"),
        JwtClause::Key => ("key", "see that publicKeyEndpoint of the trust lists the key that signed the token"),
        JwtClause::Signature => ("signature", "see that publicKeyEndpoint of the trust belongs to the issuer"),
        JwtClause::Audience => ("audience", "have the token issued for the client that the trust wants"),
        JwtClause::Expired => ("expired", "ask the issuer for a new token and exchange it at once"),
        JwtClause::NotYet => ("not-yet", "set the clock of the issuer or clockSkewSeconds of the trust"),
        JwtClause::Lifetime => ("lifetime", "have the token issued for a shorter time"),
        JwtClause::Claim => ("claim", "use an issuer whose tokens carry exp"),
    };
    let seen = error.seen.clone().unwrap_or_else(|| error.message.clone());
    let wanted = error.wanted.unwrap_or_else(|| "a token that verifies".to_owned());
    of_grant(clause, seen, wanted, fix)
}

/// A refusal of what was shown.
///
/// UNCONFIRMED code: Oracle publishes only `invalid_client`. `invalid_grant` is what RFC 6749, 5.2 has for an assertion
/// that is invalid, expired or was issued to somebody else.
pub(super) fn of_grant(
    clause: &'static str,
    seen: impl Into<String>,
    wanted: impl Into<String>,
    fix: impl Into<String>,
) -> Box<Refusal> {
    Box::new(Refusal::new(clause, seen, wanted, "invalid_grant", fix))
}

/// A refusal of how it was asked for (RFC 6749, 5.2).
pub(super) fn of_request(
    clause: &'static str,
    seen: impl Into<String>,
    wanted: impl Into<String>,
    fix: impl Into<String>,
) -> Box<Refusal> {
    Box::new(Refusal::new(clause, seen, wanted, "invalid_request", fix))
}

/// A refusal of who asks (RFC 6749, 5.2).
pub(super) fn of_caller(clause: &'static str, seen: &str, wanted: impl Into<String>, fix: &str) -> Box<Refusal> {
    Box::new(Refusal::new(clause, seen, wanted, "unauthorized_client", fix))
}
