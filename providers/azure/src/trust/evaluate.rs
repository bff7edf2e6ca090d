//! Does this token make somebody that client?

use std::collections::BTreeMap;

use carnet_jose::{Algorithm, Claims, JwtClause, KeySet, Rules, UnverifiedJwt, verify_jwt};
use carnet_trust::{Decision, Grant, Refusal};
use jiff::Timestamp;

use super::{
    CLOCK_SKEW, Client, ClientKind, Code, FederatedCredential, Home, MAX_TOKEN_AUDIENCES, TOKEN_LIFETIME,
    client::Entry, lint, own::own_tenant, refuse,
};

/// What the token service verifies, in the order in which its own error text lists them (AADSTS5002738). Microsoft says
/// that it tests RS256 only.
const ALGORITHMS: [Algorithm; 6] =
    [Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512];

/// Claims that a token must have, in the order in which they are looked for.
const REQUIRED_CLAIMS: [&str; 4] = ["iss", "sub", "aud", "exp"];

/// What GitHub's issuers begin with; the tenant's policy about enterprises is for them alone.
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// What a tenant demands beside the credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantPolicy {
    /// What the claim `enterprise` of GitHub's tokens must be (AADSTS7002381).
    pub github_enterprise: Option<String>,
}

/// What is asked: this token, for that client, now.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whom `client_id` names.
    pub client: &'a Client,
    /// The `client_assertion`. Not kept in any answer.
    pub token: &'a carnet_core::Secret,
    /// What the tenant demands.
    pub policy: &'a TenantPolicy,
    /// What the client's directory knows of the token's subject.
    pub home: Home<'a>,
    /// The time.
    pub now: Timestamp,
}

/// A token that is good but for its key, signature and times.
#[derive(Debug)]
pub struct Admitted<'a> {
    client: &'a Client,
    credential: &'a FederatedCredential,
    audience: &'a str,
    token: UnverifiedJwt,
    policy: &'a TenantPolicy,
    now: Timestamp,
    held: Vec<&'static str>,
}

/// A client, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Allowed {
    /// The name of the credential that fits.
    pub credential: String,
    /// The decision's grant: the principal is the object id.
    pub grant: Grant,
}

/// The whole question at once. `keys` are the issuer's, or `None` when they could not be fetched.
pub fn evaluate(question: &Question<'_>, keys: Option<&KeySet>) -> Decision {
    match question.admit().and_then(|admitted| admitted.decide(keys)) {
        Ok(allowed) => Decision::Allow(allowed.grant),
        Err(refusal) => Decision::Refuse(*refusal),
    }
}

impl<'a> Question<'a> {
    /// Everything that can be decided before keys are looked at: form, claims, issuer, subject, audience, header. The order is
    /// UNCONFIRMED; it is the one that yields the codes that users report.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn admit(&self) -> Result<Admitted<'a>, Box<Refusal>> {
        let mut held = Vec::with_capacity(10);
        match self.admit_noting(&mut held) {
            Ok((entry, audience, token)) => Ok(Admitted {
                client: self.client,
                credential: &entry.credential,
                audience,
                token,
                policy: self.policy,
                now: self.now,
                held,
            }),
            Err(mut refusal) => {
                refusal.held = held;
                Err(refusal)
            }
        }
    }

    fn admit_noting(&self, held: &mut Vec<&'static str>) -> Result<(&'a Entry, &'a str, UnverifiedJwt), Box<Refusal>> {
        let token = UnverifiedJwt::parse(self.token.expose())
            .map_err(|error| refuse("form", error.to_string(), "a signed JWT", Code::FORM, FORM_FIX))?;
        held.push("form");
        let claims = token.unverified_claims();
        let (issuer, subject) = check_claims(claims)?;
        held.push("claims");
        let candidates = self.of_issuer(issuer)?;
        held.push("issuer");
        let candidates = of_subject(&candidates, subject, claims)?;
        self.home.check(issuer)?;
        held.push("subject");
        let (entry, audience) = of_audience(&candidates, claims)?;
        held.push("audience");
        check_header(&token)?;
        held.push("algorithm");
        Ok((entry, audience, token))
    }

    fn of_issuer(&self, issuer: &str) -> Result<Vec<&'a Entry>, Box<Refusal>> {
        let client = self.client;
        if client.credentials.is_empty() {
            let seen = format!("{} has no federated credential", client.client_id);
            let fix = "create a federated identity credential on this client, or correct the client id";
            return Err(refuse("credential", seen, "a federated credential", Code::NO_CREDENTIALS, fix));
        }
        let own = own_tenant(issuer);
        if own.is_some() && client.kind == ClientKind::ManagedIdentity {
            let fix = "use the token of another issuer, or an application: only applications trust managed identities";
            return Err(refuse("own-issuer", issuer, "an issuer outside Entra", Code::OWN_ISSUER, fix));
        }
        let entries = client.credentials.entries();
        let fitting: Vec<&Entry> = entries.iter().filter(|entry| entry.credential.issuer == issuer).collect();
        if own.is_some_and(|tenant| !tenant.eq_ignore_ascii_case(self.home.tenant)) {
            let fix = "use a managed identity of the tenant in which the application is registered";
            let wanted = format!("an issuer outside Entra, or the tenant {}", self.home.tenant);
            return Err(refuse("own-issuer", issuer, wanted, Code::OWN_ISSUER, fix));
        }
        if !fitting.is_empty() {
            return Ok(fitting);
        }
        let wanted = || entries.iter().map(|entry| entry.credential.issuer.as_str());
        if own.is_some() {
            let fix = "Entra's own tokens are no proof, but for those of a managed identity whose issuer and object id a \
                       credential of the application names";
            return Err(refuse("own-issuer", issuer, list(wanted()), Code::OWN_ISSUER, fix));
        }
        Err(mismatch("issuer", issuer, &wanted(), Code::ISSUER))
    }
}

/// The credentials whose subject, or expression, fits.
fn of_subject<'a>(candidates: &[&'a Entry], subject: &str, claims: &Claims) -> Result<Vec<&'a Entry>, Box<Refusal>> {
    let fits = |entry: &Entry| match &entry.expression {
        Some(expression) => expression.matches(claims),
        None => entry.credential.subject.as_deref() == Some(subject),
    };
    let fitting: Vec<&Entry> = candidates.iter().copied().filter(|entry| fits(entry)).collect();
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    let wanted = candidates.iter().filter_map(|entry| {
        let credential = &entry.credential;
        let expression = credential.claims_matching_expression.as_ref().map(|matching| matching.value.as_str());
        credential.subject.as_deref().or(expression)
    });
    Err(mismatch("subject", subject, &wanted, Code::SUBJECT))
}

/// The first credential whose audience is the token's, and that audience.
fn of_audience<'a>(candidates: &[&'a Entry], claims: &Claims) -> Result<(&'a Entry, &'a str), Box<Refusal>> {
    let seen = claims.audiences();
    let of = |entry: &&'a Entry| entry.credential.audiences.first().map(|audience| (*entry, audience.as_str()));
    if seen.len() <= MAX_TOKEN_AUDIENCES
        && let Some(found) = candidates.iter().filter_map(of).find(|(_, audience)| seen.contains(audience))
    {
        return Ok(found);
    }
    let wanted = candidates.iter().filter_map(of).map(|(_, audience)| audience);
    if seen.len() > MAX_TOKEN_AUDIENCES {
        let fix = "ask the issuer for a token with this one audience";
        return Err(refuse("audience", list(seen.into_iter()), list(wanted), Code::AUDIENCE, fix));
    }
    Err(mismatch("audience", seen.first().copied().unwrap_or_default(), &wanted, Code::AUDIENCE))
}

/// No credential fits. Texts are compared byte for byte; near misses are named, since nobody sees them.
fn mismatch<'t>(
    clause: &'static str,
    seen: &str,
    wanted: &(impl Iterator<Item = &'t str> + Clone),
    code: Code,
) -> Box<Refusal> {
    let claim = match clause {
        "issuer" => "iss",
        "audience" => "aud",
        _ => "sub",
    };
    let shown = list(wanted.clone());
    if wanted.clone().any(|wanted| wanted.eq_ignore_ascii_case(seen)) {
        let fix =
            format!("write the {clause} of the credential as the claim `{claim}` has it: upper and lower case differ");
        return refuse(clause, seen, shown, Code::CASE, fix);
    }
    let fix = if wanted.clone().any(|wanted| wanted.trim() == seen) {
        format!("take the blanks around the {clause} out of the credential")
    } else if wanted.clone().any(|wanted| wanted.trim_end_matches('/') == seen.trim_end_matches('/')) {
        format!("write the {clause} of the credential as the claim `{claim}` has it: a slash at the end counts")
    } else {
        format!("set the {clause} of a federated credential to the claim `{claim}`, character by character")
    };
    refuse(clause, seen, shown, code, fix)
}

/// Several values for people, each once.
fn list<'t>(values: impl Iterator<Item = &'t str>) -> String {
    let unique: std::collections::BTreeSet<&str> = values.collect();
    unique.into_iter().collect::<Vec<_>>().join(", ")
}

const FORM_FIX: &str = "send the token as the issuer gave it, one line without quotes or a line end";

/// Issuer and subject, once everything that must be there is.
fn check_claims(claims: &Claims) -> Result<(&str, &str), Box<Refusal>> {
    let fix = "let the issuer put the claim into the token";
    if let Some(missing) = REQUIRED_CLAIMS.into_iter().find(|name| claims.get(name).is_none()) {
        return Err(refuse("claims", format!("no `{missing}`"), format!("`{missing}`"), Code::CLAIM, fix));
    }
    let text = |name: &'static str| {
        claims
            .str(name)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| refuse("claims", format!("`{name}` is not a text"), format!("`{name}`"), Code::CLAIM, fix))
    };
    Ok((text("iss")?, text("sub")?))
}

fn check_header(token: &UnverifiedJwt) -> Result<(), Box<Refusal>> {
    let algorithm = token.unverified_alg();
    if !ALGORITHMS.iter().any(|accepted| accepted.name() == algorithm) {
        let fix = "let the issuer sign with an RSA key and RS256";
        return Err(refuse("algorithm", algorithm, algorithm_names(), Code::ALGORITHM, fix));
    }
    if token.unverified_kid().is_none_or(str::is_empty) {
        let fix = "let the issuer put `kid` into the header";
        return Err(refuse("key-id", "no `kid`", "a `kid` in the header", Code::KEY_ID, fix));
    }
    Ok(())
}

fn algorithm_names() -> String {
    ALGORITHMS.map(Algorithm::name).join(",")
}

impl<'a> Admitted<'a> {
    /// The credential that fits so far.
    pub fn credential(&self) -> &'a FederatedCredential {
        self.credential
    }

    /// Whose discovery document and keys are needed.
    pub fn issuer(&self) -> &'a str {
        &self.credential.issuer
    }

    /// The key that the token names, unverified: whether keys that are known already will do.
    pub fn unverified_kid(&self) -> Option<&str> {
        self.token.unverified_kid()
    }

    /// Key, signature, times, the tenant's policy. `keys` are the issuer's, or `None` when they could not be fetched.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(mut self, keys: Option<&KeySet>) -> Result<Allowed, Box<Refusal>> {
        let mut held = std::mem::take(&mut self.held);
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
        let claims = self.verify(keys)?;
        held.push("signature");
        held.push("times");
        self.check_enterprise(&claims)?;
        held.push("policy");
        let attributes = [
            ("client_id", self.client.client_id.as_str()),
            ("credential", self.credential.name.as_str()),
            ("issuer", self.issuer()),
            ("subject", claims.str("sub").unwrap_or_default()),
        ];
        let attributes: BTreeMap<String, String> =
            attributes.into_iter().map(|(name, value)| (name.to_owned(), carnet_core::safe_text(value))).collect();
        let grant = Grant {
            principal: self.client.object_id.clone(),
            lifetime: Some(TOKEN_LIFETIME),
            attributes,
            held: Vec::new(),
            warnings: lint::lint_credential(self.credential),
        };
        Ok(Allowed { credential: self.credential.name.clone(), grant })
    }

    fn verify(&self, keys: Option<&KeySet>) -> Result<Claims, Box<Refusal>> {
        let issuer = self.issuer();
        let Some(keys) = keys else {
            let fix = "make discovery document and key set of the issuer public, over https with a public certificate";
            return Err(refuse("keys", format!("no keys of {issuer}"), "its key set", Code::FETCH, fix));
        };
        let audiences = [self.audience];
        let rules = Rules {
            issuer: Some(issuer),
            audiences: Some(&audiences),
            algorithms: &ALGORITHMS,
            leeway: CLOCK_SKEW,
            require_expiry: true,
            max_lifetime: None,
            types: &[],
        };
        let unknown_key = || {
            let seen =
                format!("no key with the id {}", carnet_core::safe_text(self.unverified_kid().unwrap_or_default()));
            let fix = "publish the key at the issuer, with the id that its tokens name, well before it signs";
            let wanted = format!("a key with this `kid` in the metadata of {}", carnet_core::safe_text(issuer));
            refuse("key", seen, wanted, Code::KEY, fix)
        };
        match verify_jwt(&self.token, keys, &rules, self.now) {
            // The token service looks for the key by its id; one without an id is never found.
            Ok(verified) if verified.kid() != self.unverified_kid() => Err(unknown_key()),
            Ok(verified) => Ok(verified.claims().clone()),
            Err(error) => Err(match error.clause {
                JwtClause::Key => unknown_key(),
                // UNCONFIRMED which code a bad signature gets.
                JwtClause::Signature => {
                    let fix = "take a token that the issuer signed, unchanged";
                    refuse("signature", error.to_string(), format!("a signature by {issuer}"), Code::FORM, fix)
                }
                JwtClause::Expired | JwtClause::NotYet => {
                    let late = error.clause == JwtClause::Expired;
                    let fix = if late { "take a fresh token from the issuer" } else { "set the clocks of both sides" };
                    let seen = times(self.token.unverified_claims());
                    refuse(if late { "expired" } else { "not-yet" }, seen, self.now.to_string(), Code::TIME, fix)
                }
                _ => refuse("form", error.to_string(), "a signed JWT", Code::FORM, FORM_FIX),
            }),
        }
    }

    fn check_enterprise(&self, claims: &Claims) -> Result<(), Box<Refusal>> {
        let Some(wanted) = &self.policy.github_enterprise else { return Ok(()) };
        let seen = claims.str("enterprise").unwrap_or_default();
        if !self.issuer().starts_with(GITHUB) || seen == wanted {
            return Ok(());
        }
        let fix = "run the job in a repository of that enterprise, or change the tenant's policy";
        Err(refuse("policy", seen, wanted.as_str(), Code::ENTERPRISE, fix))
    }
}

/// From when to when the token counts, for people and for the answer outside.
fn times(claims: &Claims) -> String {
    let date = |name: &str| claims.time(name).map_or_else(|| "unknown".to_owned(), |time| time.to_string());
    let from = if claims.get("nbf").is_some() { "nbf" } else { "iat" };
    format!("{} {}", date(from), date("exp"))
}
