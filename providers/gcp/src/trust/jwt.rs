//! JWTs of an issuer.

use carnet_core::Secret;
use carnet_jose::{Algorithm, Claims, JwtClause, Rules, UnverifiedJwt, verify_jwt};
use carnet_trust::Refusal;
use jiff::Timestamp;
use serde_json::Value;

use super::{CLOCK_SKEW, CheckedProvider, Fetched, MAX_AGE, Oidc, ProviderName, refuse};

/// The algorithms that Google's token service verifies. "Only RS256 and ES256 are supported".
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Rs256, Algorithm::Es256];

/// Claims that a token must have, in the order in which they are looked for.
const REQUIRED_CLAIMS: [&str; 5] = ["iss", "sub", "aud", "iat", "exp"];

/// A token whose form, issuer, audience and times are good, and whose signature nobody has looked at.
#[derive(Debug)]
pub(super) struct Jwt {
    token: UnverifiedJwt,
    issuer: String,
    audiences: Vec<String>,
    now: Timestamp,
}

impl Jwt {
    pub(super) fn admit(
        token: &Secret,
        name: &ProviderName,
        oidc: &Oidc,
        now: Timestamp,
        held: &mut Vec<&'static str>,
    ) -> Result<Self, Box<Refusal>> {
        let token = UnverifiedJwt::parse(token.expose())
            .map_err(|error| refuse("form", error.to_string(), "a signed JWT", "invalid_grant", FORM_FIX))?;
        check_form(&token)?;
        held.push("form");
        let claims = token.unverified_claims();
        let issuer = &oidc.issuer_uri;
        if claims.str("iss") != Some(issuer.as_str()) {
            let seen = claims.str("iss").unwrap_or_default();
            let fix = "set `oidc.issuerUri` of the provider to the claim `iss`, character by character";
            return Err(refuse("issuer", seen, issuer, "invalid_grant", fix));
        }
        held.push("issuer");
        let audiences = accepted_audiences(name, oidc);
        check_audience(claims, &audiences)?;
        held.push("audience");
        check_times(claims, now)?;
        held.push("times");
        Ok(Self { token, issuer: issuer.clone(), audiences, now })
    }

    pub(super) fn unverified_kid(&self) -> Option<&str> {
        self.token.unverified_kid()
    }

    /// Its claims.
    pub(super) fn verify(
        &self,
        provider: &CheckedProvider,
        fetched: Fetched<'_>,
        held: &mut Vec<&'static str>,
    ) -> Result<Value, Box<Refusal>> {
        let issuer = &self.issuer;
        let (keys, without) = match (provider.keys(), fetched) {
            (Some(keys), _) | (None, Fetched::Keys(keys)) => (Some(keys), String::new()),
            (None, Fetched::Failed(reason)) => (None, format!(": {reason}")),
            (None, _) => (None, String::new()),
        };
        let Some(keys) = keys else {
            let fix =
                "make the issuer's discovery document and key set reachable, or upload the keys as `oidc.jwksJson`";
            let seen = format!("no keys of {issuer}{without}");
            return Err(refuse("keys", seen, "its key set", "invalid_grant", fix));
        };
        let audiences: Vec<&str> = self.audiences.iter().map(String::as_str).collect();
        let rules = Rules {
            issuer: Some(issuer),
            audiences: Some(&audiences),
            algorithms: &ALGORITHMS,
            leeway: CLOCK_SKEW,
            require_expiry: true,
            max_lifetime: None,
            types: &[],
        };
        match verify_jwt(&self.token, keys, &rules, self.now) {
            // Google looks for the key by its id; one without an id is never found.
            Ok(verified) if verified.kid() != self.token.unverified_kid() => {
                let seen = format!("no key with the id {:?}", self.token.unverified_kid().unwrap_or_default());
                let fix = "give the keys of the issuer the ids that its tokens name";
                Err(refuse("key", seen, "a key with this `kid`", "invalid_grant", fix))
            }
            Ok(verified) => {
                held.push("signature");
                Ok(Value::Object(verified.claims().clone().0))
            }
            Err(error) => {
                let (clause, fix) = match error.clause {
                    JwtClause::Key => ("key", "publish the key at the issuer, or upload it to the provider again"),
                    JwtClause::Signature => ("signature", "take a token that the issuer signed, unchanged"),
                    _ => ("form", FORM_FIX),
                };
                let wanted = error.wanted.clone().unwrap_or_else(|| format!("a signature by {issuer}"));
                Err(refuse(clause, error.to_string(), wanted, "invalid_grant", fix))
            }
        }
    }
}

const FORM_FIX: &str = "send the token as the issuer gave it, one line without a line end";

fn check_form(token: &UnverifiedJwt) -> Result<(), Box<Refusal>> {
    let algorithm = token.unverified_alg();
    if !ALGORITHMS.iter().any(|accepted| accepted.name() == algorithm) {
        let fix = "let the issuer sign with RS256 or ES256";
        return Err(refuse("algorithm", algorithm, "RS256 or ES256", "invalid_grant", fix));
    }
    if token.unverified_kid().is_none() {
        let fix = "let the issuer put `kid` into the header";
        return Err(refuse("key-id", "no `kid`", "a `kid` in the header", "invalid_grant", fix));
    }
    let claims = token.unverified_claims();
    if let Some(missing) = REQUIRED_CLAIMS.into_iter().find(|name| claims.get(name).is_none()) {
        let fix = "let the issuer put the claim into the token";
        return Err(refuse("claims", format!("no `{missing}`"), format!("`{missing}`"), "invalid_grant", fix));
    }
    if claims.str("sub").is_none_or(str::is_empty) {
        let fix = "let the issuer put a text into `sub`";
        return Err(refuse("claims", "`sub` is not a text", "a text", "invalid_grant", fix));
    }
    Ok(())
}

/// What `aud` may be: the list, or without one the provider's own name with `https:` or without.
fn accepted_audiences(name: &ProviderName, oidc: &Oidc) -> Vec<String> {
    let listed = &oidc.allowed_audiences;
    if listed.is_empty() { vec![format!("https:{}", name.audience()), name.audience()] } else { listed.clone() }
}

/// UNCONFIRMED that one of several `aud` values is enough; it is what RFC 7519, 4.1.3 asks of a recipient.
fn check_audience(claims: &Claims, accepted: &[String]) -> Result<(), Box<Refusal>> {
    let seen = claims.audiences();
    if seen.iter().any(|seen| accepted.iter().any(|accepted| accepted == seen)) {
        return Ok(());
    }
    let fix = "ask the issuer for a token with the wanted audience, or add the one seen to `oidc.allowedAudiences`; this is \
               the claim `aud`, not the audience of the exchange";
    Err(refuse("audience", seen.join(", "), accepted.join(", "), "invalid_grant", fix))
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), Box<Refusal>> {
    let date = |name: &'static str| {
        claims.time(name).ok_or_else(|| {
            let fix = "let the issuer write dates as seconds since 1970";
            refuse("claims", format!("`{name}` is not a date"), "seconds since 1970", "invalid_grant", fix)
        })
    };
    let (issued, expiry) = (date("iat")?, date("exp")?);
    let refusal = |clause, seen: String, wanted: String, fix| Err(refuse(clause, seen, wanted, "invalid_grant", fix));
    for (name, time) in [("iat", Some(issued)), ("nbf", claims.time("nbf"))] {
        if let Some(time) = time
            && time > later(now, CLOCK_SKEW)
        {
            let wanted = format!("not later than {now}");
            return refusal(
                "not-yet",
                format!("`{name}` {}", time.as_second()),
                wanted,
                "set the clocks of both sides",
            );
        }
    }
    let fix = "take a fresh token from the issuer for each exchange";
    // `iat` comes last: that is what the caller is told, whichever of the two is too old.
    let seen = || format!("`exp` {expiry}, `iat` {}", issued.as_second());
    if now >= later(expiry, CLOCK_SKEW) {
        return refusal("expired", seen(), format!("`exp` later than {now}"), fix);
    }
    if now.duration_since(issued) > MAX_AGE {
        return refusal("expired", seen(), format!("`iat` at most 24 hours before {now}"), fix);
    }
    Ok(())
}

fn later(time: Timestamp, by: jiff::SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
