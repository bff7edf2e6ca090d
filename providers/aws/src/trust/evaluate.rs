//! Does this token become a session of that role?

use carnet_jose::{Algorithm, Claims, JwtClause, KeySet, Rules, UnverifiedJwt, VerifiedJwt, verify_jwt};
use carnet_trust::{Decision, Grant, Refusal};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    CLOCK_SKEW, DEFAULT_SESSION, OidcProvider, RequestFacts, Role, SESSION_NAME, SHORTEST_SESSION, Session,
    condition::Context, is_session_name, lint, refuse,
};

/// The algorithms of "AssumeRoleWithWebIdentity".
const ALGORITHMS: [Algorithm; 6] =
    [Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512];
/// Longest token.
const LONGEST_TOKEN: usize = 20_000;
const NO_JWT: &str = "send the ID token as the issuer gave it, on one line; an access token is none";

/// What is asked: this token, for that role, now.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The token. Not kept in any answer.
    pub token: &'a carnet_core::Secret,
    /// The role that the request names, if there is one.
    pub role: Option<&'a Role>,
    /// The account's provider for the token's issuer, if there is one.
    pub provider: Option<&'a OidcProvider>,
    /// `RoleSessionName`.
    pub session_name: &'a str,
    /// `DurationSeconds`, if given.
    pub duration: Option<SignedDuration>,
    /// The time.
    pub now: Timestamp,
}

/// A token that is good but for its signature, its audience and the role's trust policy.
#[derive(Debug)]
pub struct Admitted<'a> {
    question: Question<'a>,
    provider: &'a OidcProvider,
    token: UnverifiedJwt,
    /// What the request says; nothing is known of it otherwise.
    request: Context,
}

/// The whole question at once. `keys` are the issuer's, or `None` when they could not be fetched.
///
/// Nobody has sent a request yet, so conditions on what only a request says (`aws:SourceIp`, `aws:SecureTransport`,
/// `aws:RequestedRegion`, `aws:UserAgent` …) cannot be decided: no statement allows by one of them, and one that denies counts. The
/// refusal says so. [`Admitted::of_request`] is for those who have the request.
pub fn evaluate(question: &Question<'_>, keys: Option<&KeySet>) -> Decision {
    match question.admit().and_then(|admitted| admitted.decide(keys)) {
        Ok(grant) => Decision::Allow(grant),
        Err(refusal) => Decision::Refuse(*refusal),
    }
}

impl<'a> Question<'a> {
    /// Everything that can be decided before keys are looked at: parameters, form, provider, times. The order is
    /// UNCONFIRMED; it is the one in which the texts of the refusals make sense.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn admit(&self) -> Result<Admitted<'a>, Box<Refusal>> {
        self.check_parameters()?;
        if self.token.len() > LONGEST_TOKEN {
            let seen = format!("{} characters", self.token.len());
            return Err(refuse("form", seen, "at most 20000", "ValidationError", NO_JWT));
        }
        let token = UnverifiedJwt::parse(self.token.expose())
            .map_err(|error| refuse("form", error.to_string(), "a signed JWT", "InvalidIdentityToken", NO_JWT))?;
        let claims = token.unverified_claims();
        check_claims(claims)?;
        let issuer = claims.str("iss").unwrap_or_default();
        let provider = self.provider.filter(|provider| provider.url == issuer);
        let Some(provider) = provider else {
            let seen = carnet_core::safe_text(issuer);
            let fix = "create an OpenID Connect provider for exactly this URL in the account of the role";
            return Err(refuse("issuer", seen, "a provider of the account", "InvalidIdentityToken", fix));
        };
        check_times(claims, self.now)?;
        Ok(Admitted { question: *self, provider, token, request: Context::default().without_request() })
    }

    fn check_parameters(&self) -> Result<(), Box<Refusal>> {
        let name = self.session_name;
        if !is_session_name(name) {
            let fix = "choose another RoleSessionName";
            return Err(refuse("session-name", carnet_core::safe_text(name), SESSION_NAME, "ValidationError", fix));
        }
        let Some(duration) = self.duration else { return Ok(()) };
        let longest = self.role.map_or(super::LONGEST_SESSION, Role::longest);
        if duration < SHORTEST_SESSION || duration > longest {
            let wanted = format!("{} to {} seconds", SHORTEST_SESSION.as_secs(), longest.as_secs());
            let fix = "ask for less, or raise the role's MaxSessionDuration";
            return Err(refuse("duration", duration.as_secs().to_string(), wanted, "ValidationError", fix));
        }
        Ok(())
    }
}

impl Admitted<'_> {
    /// The issuer, as the token names it: where the keys are.
    pub fn issuer(&self) -> &str {
        self.token.unverified_issuer().unwrap_or_default()
    }

    /// The same for the request that asks.
    #[must_use]
    pub fn of_request(self, facts: &RequestFacts<'_>) -> Self {
        Self { request: Context::default().with_request(facts), ..self }
    }

    /// Signature, audience, session tags and the role's trust policy.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, keys: Option<&KeySet>) -> Result<Grant, Box<Refusal>> {
        let verified = self.verify(keys)?;
        let claims = verified.claims();
        let audience = audience(claims);
        if !self.provider.is_built_in() && !self.provider.client_ids.contains(&audience) {
            let fix = "add this audience to the provider's client ids, or ask the issuer for one that is there; `azp` counts before `aud`";
            let wanted = self.provider.client_ids.join(", ");
            return Err(refuse("audience", carnet_core::safe_text(&audience), wanted, "InvalidIdentityToken", fix));
        }
        let session = Session::read(claims)?;
        let Question { role, session_name, duration, now, .. } = self.question;
        let Some(role) = role else {
            let fix = "check the ARN: account, path and name, upper and lower case";
            return Err(refuse("role", "no such role", "a role", "AccessDenied", fix));
        };
        let mut actions = vec!["sts:AssumeRoleWithWebIdentity"];
        actions.extend((!session.tags.is_empty()).then_some("sts:TagSession"));
        actions.extend(session.source_identity.is_some().then_some("sts:SetSourceIdentity"));
        let arn = self.provider.arn();
        let attributes = attributes(claims, &audience, &session, &arn);
        let context = session.into_context(self.context(claims, &audience, &arn, session_name, now));
        for action in actions {
            role.trust.allows(action, ("Federated", &arn), &context).map_err(|denied| {
                let fix = format!("change the trust policy of {} so that {action} is allowed to {arn}", role.arn);
                // `deny` is a condition of the policy too, as far as the reader goes.
                let clause = if denied.clause == "deny" { "policy" } else { denied.clause };
                refuse(clause, denied.seen, denied.wanted, "AccessDenied", fix)
            })?;
        }
        Ok(Grant {
            principal: role.session_arn(session_name),
            lifetime: Some(duration.unwrap_or(DEFAULT_SESSION).min(role.longest())),
            attributes,
            held: vec!["parameters", "form", "issuer", "times", "signature", "audience", "tags", "policy"],
            warnings: lint::lint_role(role, self.provider),
        })
    }

    fn verify(&self, keys: Option<&KeySet>) -> Result<VerifiedJwt, Box<Refusal>> {
        let Some(keys) = keys else {
            let fix = "make ISSUER/.well-known/openid-configuration and the key set readable from the internet, with a public certificate";
            let seen = carnet_core::safe_text(self.issuer());
            return Err(refuse("keys", seen, "the issuer's keys", "InvalidIdentityToken", fix));
        };
        let rules = Rules {
            issuer: Some(self.issuer()),
            audiences: None,
            algorithms: &ALGORITHMS,
            leeway: CLOCK_SKEW,
            require_expiry: true,
            max_lifetime: None,
            types: &[],
        };
        verify_jwt(&self.token, keys, &rules, self.question.now).map_err(|error| {
            let clause = match error.clause {
                JwtClause::Key => "keys",
                JwtClause::Signature => "signature",
                JwtClause::Header => "algorithm",
                _ => "form",
            };
            let wanted = error.wanted.clone().unwrap_or_else(|| "a signature by the issuer".to_owned());
            refuse(
                clause,
                error.to_string(),
                wanted,
                "InvalidIdentityToken",
                "take a token that the issuer signed, unchanged",
            )
        })
    }

    fn context(&self, claims: &Claims, audience: &str, arn: &str, session_name: &str, now: Timestamp) -> Context {
        let issuer = self.provider.name();
        let request = self.request.clone();
        let mut context = request
            .with_made(format!("{issuer}:aud"), [audience])
            .with_made(format!("{issuer}:sub"), claims.str("sub"))
            .with("aws:FederatedProvider", [arn])
            .with("sts:RoleSessionName", [session_name])
            .with("aws:CurrentTime", [now.to_string()])
            .with("aws:EpochTime", [now.as_second().to_string()]);
        if let Some(azp) = claims.str("azp") {
            context = context
                .with_made(format!("{issuer}:azp"), [azp])
                .with_claim(format!("{issuer}:oaud"), claims.get("aud"));
        }
        context.with_claim(format!("{issuer}:amr"), claims.get("amr"))
    }
}

/// `azp` where there is one, else `aud` ("Available keys for AWS OIDC federation"). UNCONFIRMED for several values of
/// `aud`: here the first counts, so that nothing is accepted by a value that stands last.
fn audience(claims: &Claims) -> String {
    let first = || claims.audiences().first().copied().unwrap_or_default();
    claims.str("azp").unwrap_or_else(first).to_owned()
}

fn attributes(
    claims: &Claims,
    audience: &str,
    session: &Session,
    arn: &str,
) -> std::collections::BTreeMap<String, String> {
    let mut attributes: std::collections::BTreeMap<String, String> =
        session.tags.iter().map(|(key, value)| (format!("tag/{key}"), value.clone())).collect();
    attributes.insert("audience".to_owned(), audience.to_owned());
    attributes.insert("subject".to_owned(), claims.str("sub").unwrap_or_default().to_owned());
    attributes.insert("provider".to_owned(), arn.to_owned());
    attributes.extend(session.source_identity.clone().map(|who| ("source_identity".to_owned(), who)));
    attributes
}

fn check_claims(claims: &Claims) -> Result<(), Box<Refusal>> {
    let bad = |seen: String, wanted: &str| {
        Err(refuse("claims", seen, wanted, "InvalidIdentityToken", "let the issuer put the claim into the token"))
    };
    for name in ["iss", "sub"] {
        if claims.str(name).is_none_or(str::is_empty) {
            return bad(format!("no `{name}`"), "a text");
        }
    }
    if claims.audiences().is_empty() && claims.str("azp").is_none() {
        return bad("no `aud`".to_owned(), "a text");
    }
    for name in ["iat", "exp", "nbf"] {
        match claims.get(name) {
            None if name == "nbf" => {}
            Some(Value::Number(number)) if number.as_i64().is_some() => {}
            _ => return bad(format!("`{name}` is no whole number"), "seconds since 1970"),
        }
    }
    Ok(())
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), Box<Refusal>> {
    let expiry = claims.time("exp").unwrap_or(Timestamp::MIN);
    if now >= expiry {
        let (seen, wanted) = (expiry.as_second().to_string(), format!("later than {}", now.as_second()));
        return Err(refuse("expired", seen, wanted, "ExpiredTokenException", "take a fresh token from the issuer"));
    }
    let latest = now.saturating_add(CLOCK_SKEW).unwrap_or(Timestamp::MAX);
    for name in ["iat", "nbf"] {
        if let Some(time) = claims.time(name).filter(|time| *time > latest) {
            let (seen, wanted) =
                (format!("`{name}` {}", time.as_second()), format!("not later than {}", now.as_second()));
            return Err(refuse("not-yet", seen, wanted, "InvalidIdentityToken", "set the clocks of both sides"));
        }
    }
    Ok(())
}
