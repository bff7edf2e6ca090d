//! Does this token become a principal of that pool?

use carnet_jose::{Algorithm, Claims, JwtClause, KeySet, Rules, UnverifiedJwt, verify_jwt};
use carnet_trust::{Decision, Grant, Refusal};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    CLOCK_SKEW, CheckedProvider, Federated, MAX_AGE, Pool, ProviderName, State, TOKEN_LIFETIME, lint, mapping, refuse,
};

/// The algorithms that Google's token service verifies. "Only RS256 and ES256 are supported".
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Rs256, Algorithm::Es256];

/// Claims that a token must have, in the order in which they are looked for.
const REQUIRED_CLAIMS: [&str; 5] = ["iss", "sub", "aud", "iat", "exp"];

/// What is asked: this token, for that provider, now.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The `audience` of the exchange.
    pub audience: &'a str,
    /// The subject token. Not kept in any answer.
    pub token: &'a carnet_core::Secret,
    /// The pool that the audience names, if there is one.
    pub pool: Option<&'a Pool>,
    /// The provider that the audience names, if there is one.
    pub provider: Option<&'a CheckedProvider>,
    /// The time.
    pub now: Timestamp,
}

/// A token that is good but for its signature, its mapping and the condition.
#[derive(Debug)]
pub struct Admitted<'a> {
    name: ProviderName,
    provider: &'a CheckedProvider,
    token: UnverifiedJwt,
    audiences: Vec<String>,
    now: Timestamp,
}

/// A principal, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// Who the token has become.
    pub who: Federated,
    /// The decision's grant.
    pub grant: Grant,
}

/// The whole question at once. `keys` are the issuer's, or `None` when they could not be fetched; a provider with
/// uploaded keys uses those.
pub fn evaluate(question: &Question<'_>, keys: Option<&KeySet>) -> Decision {
    match question.admit().and_then(|admitted| admitted.decide(keys)) {
        Ok(allowed) => Decision::Allow(allowed.grant),
        Err(refusal) => Decision::Refuse(*refusal),
    }
}

impl<'a> Question<'a> {
    /// Everything that can be decided before keys are looked at: audience, provider, form, issuer, audience claim,
    /// times. The order is UNCONFIRMED; it is the one that gives a stranger least.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn admit(&self) -> Result<Admitted<'a>, Box<Refusal>> {
        let mut held = Vec::new();
        self.admit_noting(&mut held).map_err(|mut refusal| {
            refusal.held = held;
            refusal
        })
    }

    fn admit_noting(&self, held: &mut Vec<&'static str>) -> Result<Admitted<'a>, Box<Refusal>> {
        let name = ProviderName::from_audience(self.audience)?;
        held.push("request");
        let provider = self.target(&name)?;
        held.push("target");
        let token = UnverifiedJwt::parse(self.token.expose())
            .map_err(|error| refuse("form", error.to_string(), "a signed JWT", "invalid_grant", FORM_FIX))?;
        check_form(&token)?;
        held.push("form");
        let claims = token.unverified_claims();
        let issuer = &provider.provider().oidc.issuer_uri;
        if claims.str("iss") != Some(issuer.as_str()) {
            let seen = claims.str("iss").unwrap_or_default();
            let fix = "set `oidc.issuerUri` of the provider to the claim `iss`, character by character";
            return Err(refuse("issuer", seen, issuer, "invalid_grant", fix));
        }
        held.push("issuer");
        let audiences = accepted_audiences(&name, provider);
        check_audience(claims, &audiences)?;
        held.push("audience");
        check_times(claims, self.now)?;
        held.push("times");
        Ok(Admitted { name, provider, token, audiences, now: self.now })
    }

    fn target(&self, name: &ProviderName) -> Result<&'a CheckedProvider, Box<Refusal>> {
        let no = |seen: &str, fix: &str| Err(refuse("target", seen, "an active provider", "invalid_target", fix));
        if !name.pool.project.bytes().all(|byte| byte.is_ascii_digit()) {
            let seen = format!("project {}", name.pool.project);
            return no(&seen, "put the number of the project into the audience, not its id");
        }
        let Some(pool) = self.pool else {
            return no(&format!("no pool {}", name.pool), "create the pool, or wait some minutes if it is new");
        };
        if pool.state == State::Deleted {
            return no("a deleted pool", "undelete the pool, or use another");
        }
        if pool.disabled {
            return no("a disabled pool", "enable the pool");
        }
        let Some(provider) = self.provider else {
            return no(&format!("no provider {name}"), "create the provider, or wait some minutes if it is new");
        };
        if provider.provider().state == State::Deleted {
            return no("a deleted provider", "undelete the provider, or use another");
        }
        if provider.provider().disabled {
            return no("a disabled provider", "enable the provider");
        }
        Ok(provider)
    }
}

impl<'a> Admitted<'a> {
    /// The provider whose issuer's keys are needed, unless it has its own.
    pub fn provider(&self) -> &'a CheckedProvider {
        self.provider
    }

    /// The key that the token names, unverified: whether keys that are known already will do.
    pub fn unverified_kid(&self) -> Option<&str> {
        self.token.unverified_kid()
    }

    /// Signature, mapping, condition. `keys` are the issuer's, or `None` when they could not be fetched; a provider
    /// with uploaded keys uses those.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, keys: Option<&KeySet>) -> Result<Allowed, Box<Refusal>> {
        let mut held = vec!["request", "target", "form", "issuer", "audience", "times"];
        match self.decide_noting(keys, &mut held) {
            Ok(mut allowed) => {
                allowed.grant.held = held;
                Ok(allowed)
            }
            Err(mut refusal) => {
                refusal.held = held;
                Err(refusal)
            }
        }
    }

    fn decide_noting(&self, keys: Option<&KeySet>, held: &mut Vec<&'static str>) -> Result<Allowed, Box<Refusal>> {
        let assertion = Value::Object(self.verify(keys)?.0);
        held.push("signature");
        let who = mapping::map(&self.name, self.provider, &assertion)?;
        held.push("mapping");
        mapping::check_condition(self.provider, &assertion, &who)?;
        held.push("condition");
        let grant = Grant {
            principal: who.principal(),
            lifetime: Some(TOKEN_LIFETIME),
            attributes: who.shown(),
            held: Vec::new(),
            warnings: lint::lint_provider(self.provider.provider()),
        };
        Ok(Allowed { who, grant })
    }

    fn verify(&self, keys: Option<&KeySet>) -> Result<Claims, Box<Refusal>> {
        let issuer = &self.provider.provider().oidc.issuer_uri;
        let Some(keys) = self.provider.keys().or(keys) else {
            let fix =
                "make the issuer's discovery document and key set reachable, or upload the keys as `oidc.jwksJson`";
            return Err(refuse("keys", format!("no keys of {issuer}"), "its key set", "invalid_grant", fix));
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
            Ok(verified) => Ok(verified.claims().clone()),
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
fn accepted_audiences(name: &ProviderName, provider: &CheckedProvider) -> Vec<String> {
    let listed = &provider.provider().oidc.allowed_audiences;
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
