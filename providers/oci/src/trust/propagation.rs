//! The identity propagation trust: may this external JWT become that OCI principal?
//!
//! An identity domain keeps one [`PropagationTrust`] per external issuer. A workload shows a JWT of that issuer at the
//! domain's token endpoint and gets either a UPST (it acts as a user of the domain) or an ephemeral RPST (it acts as a
//! resource that exists only in the token). [`evaluate`] says which, for how long, or which clause fails first.
//!
//! Sources: Oracle Cloud Infrastructure documentation, "Token Exchange Grant Type: Exchanging a JSON Web Token for a
//! UPST" and "… for an ephemeral RPST"; the schema `IdentityPropagationTrust` of the identity domains API; Oracle
//! A-Team, "Workload Identity Federation" and "OCI Workload Identity Federation using Ephemeral RPST". The order of
//! the checks is inferred from them.

mod check;
mod lint;
mod model;
mod rule;

use carnet_jose::{Algorithm, Claims, JwtClause, JwtError, KeySet, Rules, UnverifiedJwt, verify_jwt};
use carnet_trust::{Decision, Grant, Refusal, Warning};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

pub use model::{ClaimValidation, DomainUser, PropagationTrust, ServiceUserRule, SubjectType, TrustMistake, TrustType};
pub use rule::{Rule, RuleError, RuleOperator};

/// Signature algorithms that are accepted from an external issuer.
///
/// UNCONFIRMED: Oracle documents none. RS256 is certain, because the walkthroughs use it; an issuer that signs with
/// anything else is refused, so that nobody finds out at the real service only.
pub const EXTERNAL_ALGORITHMS: &[Algorithm] = &[Algorithm::Rs256];

/// Longest life of a UPST ("valid for up to 60 minutes", A-Team, "Workload Identity Federation").
pub const UPST_MAX: SignedDuration = SignedDuration::from_mins(60);

/// Life of an RPST when `rpst_exp` is absent.
///
/// UNCONFIRMED: seen in one published demonstration.
pub const RPST_DEFAULT: SignedDuration = SignedDuration::from_secs(1_200);

/// Longest life of an RPST ("up to 12 hours", A-Team, "… using Ephemeral RPST").
///
/// UNCONFIRMED unit: the same page says `rpst_exp` is in seconds and at most 43200; the Java SDK's documentation says
/// minutes. Seconds is the safe side: a value meant as minutes gives a shorter life.
pub const RPST_MAX: SignedDuration = SignedDuration::from_secs(43_200);

/// The permission that a caller with an OCI signature needs in place of an OAuth client:
/// `Allow dynamic-group … to {GET_RPST} in tenancy`.
///
/// UNCONFIRMED for UPSTs: the documentation names it for RPSTs only. It is asked for in both cases.
pub const SIGNED_CALLER_PERMISSION: &str = "GET_RPST";

/// Tolerance for clocks when the trust says nothing.
///
/// UNCONFIRMED: the documentation's example sets 60 seconds and names no default; none is the safe side.
pub const DEFAULT_CLOCK_SKEW: SignedDuration = SignedDuration::ZERO;

/// Most claims that a trust may propagate into an RPST (A-Team, "… using Ephemeral RPST").
pub const MAX_PROPAGATED_CLAIMS: usize = 3;

/// What the name of every propagated claim starts with, in the trust and in policies.
pub const PROPAGATED_PREFIX: &str = "ext_";

/// What is asked for at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestedToken {
    /// `urn:oci:token-type:oci-rpst`.
    Rpst,
    /// `urn:oci:token-type:oci-upst`.
    Upst,
}

/// Who asks. It has been authenticated already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller<'a> {
    /// An OAuth client of the domain, by its client id.
    Client(&'a str),
    /// An OCI principal that signed the request.
    Principal {
        /// Its OCID or name, for the answer only.
        id: &'a str,
        /// Whether the tenancy's policies give it [`SIGNED_CALLER_PERMISSION`].
        permitted: bool,
    },
}

/// A request for an exchange.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeRequest<'a> {
    /// Which token.
    pub requested: RequestedToken,
    /// `res_type`, as sent.
    pub resource_type: Option<&'a str>,
    /// `rpst_exp`, as sent.
    pub rpst_exp: Option<&'a str>,
    /// Who asks.
    pub caller: Caller<'a>,
}

/// What the identity domain knows besides the trust.
#[derive(Clone, Copy, Debug)]
pub struct Domain<'a> {
    /// Its users, service users included.
    pub users: &'a [DomainUser],
    /// Its setting for the longest life of a UPST, if it has one.
    pub upst_max: Option<SignedDuration>,
}

/// The trust for the token's issuer. The comparison is byte for byte: a trailing slash makes another issuer.
///
/// # Errors
/// The refusal with clause `issuer` when there is none.
pub fn find_trust<'t>(
    trusts: impl IntoIterator<Item = &'t PropagationTrust>,
    token: &UnverifiedJwt,
) -> Result<&'t PropagationTrust, Refusal> {
    let issuer = token.unverified_issuer().unwrap_or_default();
    let mut near = None;
    for trust in trusts {
        if trust.issuer == issuer {
            return Ok(trust);
        }
        if trust.issuer.trim_end_matches('/') == issuer.trim_end_matches('/') {
            near = Some(&trust.issuer);
        }
    }
    Err(issuer_refusal(issuer, near.map(String::as_str)))
}

/// Whether this token becomes a principal of the domain through this trust.
///
/// The clauses in order: `issuer`, `trust`, `client`, `token-type`, `resource`, `form`, `header`, `key`, `signature`,
/// `expired`, `not-yet`, `audience`, `claim-validation`, `subject`, `lifetime`. The principal of a UPST is the user's
/// OCID, that of an RPST the external subject. Attributes: `source_authn_prin` (the external subject, when a service
/// user is impersonated), `user_name`, `rule`, `res_type`, and every propagated claim under its `ext_` name.
pub fn evaluate(
    request: &ExchangeRequest<'_>,
    token: &UnverifiedJwt,
    keys: &KeySet,
    trust: &PropagationTrust,
    domain: &Domain<'_>,
    now: Timestamp,
) -> Decision {
    let mut held = Vec::new();
    match Evaluation { request, trust, domain, now }.run(token, keys, &mut held) {
        Ok(mut grant) => {
            grant.held = held;
            grant.warnings = lint::warnings(trust);
            Decision::Allow(grant)
        }
        Err(mut refusal) => {
            refusal.held = held;
            Decision::Refuse(refusal)
        }
    }
}

impl PropagationTrust {
    /// What the identity domain refuses when such a trust is created.
    pub fn mistakes(&self) -> Vec<TrustMistake> {
        check::mistakes(self)
    }

    /// What works and should not.
    pub fn lint(&self) -> Vec<Warning> {
        lint::warnings(self)
    }

    /// The tolerance for clocks that disagree.
    pub fn clock_skew(&self) -> SignedDuration {
        self.clock_skew_seconds.map_or(DEFAULT_CLOCK_SKEW, |seconds| SignedDuration::from_secs(i64::from(seconds)))
    }
}

struct Evaluation<'a> {
    request: &'a ExchangeRequest<'a>,
    trust: &'a PropagationTrust,
    domain: &'a Domain<'a>,
    now: Timestamp,
}

impl Evaluation<'_> {
    fn run(&self, token: &UnverifiedJwt, keys: &KeySet, held: &mut Vec<&'static str>) -> Result<Grant, Refusal> {
        let issuer = token.unverified_issuer().unwrap_or_default();
        if issuer != self.trust.issuer {
            return Err(issuer_refusal(issuer, Some(&self.trust.issuer)));
        }
        held.push("issuer");
        self.check_trust()?;
        held.push("trust");
        self.check_caller()?;
        held.push("client");
        self.check_requested()?;
        held.push("token-type");
        let lifetime = self.requested_lifetime()?;
        let verified = self.verify(token, keys)?;
        held.extend(["signature", "expired"]);
        let claims = verified.claims();
        if self.check_audience(claims)? {
            held.push("audience");
        }
        self.check_validations(claims)?;
        held.push("claim-validation");
        let mut grant = self.subject(claims)?;
        held.push("subject");
        grant.lifetime = Some(lifetime.map_or_else(|| self.upst_lifetime(claims), Ok)?);
        held.push("lifetime");
        Ok(grant)
    }

    fn check_trust(&self) -> Result<(), Refusal> {
        if !self.trust.active {
            return Err(grant_refusal("trust", "an inactive trust", "an active one", "set active to true in the identity propagation trust"));
        }
        if self.trust.kind != TrustType::Jwt {
            let seen = format!("a trust of type {}", self.trust.kind.name());
            return Err(grant_refusal("trust", seen, "type JWT", "create the identity propagation trust with type JWT"));
        }
        if let Some(mistake) = self.trust.mistakes().into_iter().next() {
            return Err(grant_refusal("trust", mistake.to_string(), "a trust without mistakes", "correct the identity propagation trust"));
        }
        Ok(())
    }

    fn check_caller(&self) -> Result<(), Refusal> {
        match self.request.caller {
            Caller::Client(id) if self.trust.oauth_clients.iter().any(|client| client == id) => Ok(()),
            Caller::Client(id) => Err(Refusal::new(
                "client",
                id,
                list_or(&self.trust.oauth_clients, "an OCI-signed request: the trust names no client"),
                "unauthorized_client",
                "add the client id to oauthClients of the identity propagation trust",
            )),
            // The documentation of the signed form says to leave `oauthClients` out. A trust that names clients is
            // taken at its word.
            Caller::Principal { id, .. } if !self.trust.oauth_clients.is_empty() => Err(Refusal::new(
                "client",
                id,
                list_or(&self.trust.oauth_clients, ""),
                "unauthorized_client",
                "leave oauthClients out of the identity propagation trust, or exchange with one of the clients it names",
            )),
            Caller::Principal { id, permitted: false } => Err(Refusal::new(
                "policy",
                id,
                SIGNED_CALLER_PERMISSION,
                "unauthorized_client",
                "add the policy: Allow dynamic-group … to {GET_RPST} in tenancy",
            )),
            Caller::Principal { permitted: true, .. } => Ok(()),
        }
    }

    /// Whether the trust makes what is asked for, and under the label that is asked for.
    fn check_requested(&self) -> Result<(), Refusal> {
        match (self.request.requested, self.trust.subject_type) {
            (RequestedToken::Upst, SubjectType::User) => Ok(()),
            (RequestedToken::Rpst, SubjectType::Resource) => self.check_resource_type(),
            (requested, subject_type) => {
                let (seen, wanted) = match requested {
                    RequestedToken::Rpst => ("oci-rpst", "Resource"),
                    RequestedToken::Upst => ("oci-upst", "User"),
                };
                Err(request_refusal(
                    "token-type",
                    format!("{seen} with a trust whose subjectType is {}", subject_type.name()),
                    format!("a trust whose subjectType is {wanted}"),
                    "ask for the other token type, or set subjectType of the identity propagation trust",
                ))
            }
        }
    }

    fn check_resource_type(&self) -> Result<(), Refusal> {
        let wanted = self.trust.impersonating_resource.as_deref().unwrap_or_default();
        let seen = self.request.resource_type.unwrap_or_default();
        if !wanted.is_empty() && seen == wanted {
            return Ok(());
        }
        Err(request_refusal(
            "resource",
            if seen.is_empty() { "no res_type" } else { seen },
            wanted,
            "send res_type with the value of impersonatingResource of the identity propagation trust",
        ))
    }

    /// The lifetime that the request itself decides: that of an RPST.
    fn requested_lifetime(&self) -> Result<Option<SignedDuration>, Refusal> {
        if self.request.requested == RequestedToken::Upst {
            return Ok(None);
        }
        let Some(text) = self.request.rpst_exp else { return Ok(Some(RPST_DEFAULT)) };
        let seconds = text.parse::<u32>().ok().filter(|seconds| *seconds > 0);
        let lifetime = seconds.map(|seconds| SignedDuration::from_secs(i64::from(seconds)));
        lifetime.filter(|lifetime| *lifetime <= RPST_MAX).map(Some).ok_or_else(|| {
            request_refusal(
                "lifetime",
                text.chars().take(20).collect::<String>(),
                format!("1 to {} seconds", RPST_MAX.as_secs()),
                "send rpst_exp in seconds, at most 43200, or leave it out",
            )
        })
    }

    fn verify(&self, token: &UnverifiedJwt, keys: &KeySet) -> Result<carnet_jose::VerifiedJwt, Refusal> {
        let rules = Rules {
            issuer: Some(&self.trust.issuer),
            // The trust's own check of the client claim stands in for it; without one none is documented.
            audiences: None,
            algorithms: EXTERNAL_ALGORITHMS,
            leeway: self.trust.clock_skew(),
            require_expiry: true,
            max_lifetime: None,
            types: &[],
        };
        verify_jwt(token, keys, &rules, self.now).map_err(jwt_refusal)
    }

    /// The claim that says to which client the token was issued; returns whether the trust asks for it.
    fn check_audience(&self, claims: &Claims) -> Result<bool, Refusal> {
        let Some(name) = &self.trust.client_claim_name else { return Ok(false) };
        let seen = texts(claims.get(name));
        if seen.iter().any(|value| self.trust.client_claim_values.iter().any(|wanted| wanted == value)) {
            return Ok(true);
        }
        Err(grant_refusal(
            "audience",
            format!("{name} {}", list_or(&seen, "absent or not text")),
            list_or(&self.trust.client_claim_values, "nothing: clientClaimValues is empty"),
            "have the token issued for one of clientClaimValues, or add the value to the identity propagation trust",
        ))
    }

    fn check_validations(&self, claims: &Claims) -> Result<(), Refusal> {
        for wanted in &self.trust.claim_validations {
            let seen = claims.get(&wanted.name).and_then(scalar);
            if seen.as_deref() != Some(wanted.value.as_str()) {
                return Err(grant_refusal(
                    "claim-validation",
                    format!("{} {}", wanted.name, seen.as_deref().unwrap_or("absent or not a single value")),
                    &wanted.value,
                    "run the workload where the claim has that value, or correct claimValidations of the trust",
                ));
            }
        }
        Ok(())
    }

    fn subject(&self, claims: &Claims) -> Result<Grant, Refusal> {
        match self.request.requested {
            RequestedToken::Rpst => self.resource_subject(claims),
            RequestedToken::Upst if self.trust.allow_impersonation => self.impersonated_subject(claims),
            RequestedToken::Upst => self.mapped_subject(claims),
        }
    }

    fn resource_subject(&self, claims: &Claims) -> Result<Grant, Refusal> {
        let mut grant = Grant { principal: self.subject_claim(claims)?.to_owned(), ..Grant::default() };
        if let Some(label) = &self.trust.impersonating_resource {
            grant.attributes.insert("res_type".to_owned(), label.clone());
        }
        for name in &self.trust.claim_propagations {
            let source = name.strip_prefix(PROPAGATED_PREFIX).unwrap_or(name);
            // A missing claim is skipped without a word; so is one that is not a single value.
            if let Some(value) = claims.get(source).and_then(scalar) {
                grant.attributes.insert(name.clone(), value);
            }
        }
        Ok(grant)
    }

    /// The first rule that matches decides, even when its service user cannot be used.
    fn impersonated_subject(&self, claims: &Claims) -> Result<Grant, Refusal> {
        let subject = self.subject_claim(claims)?;
        for entry in &self.trust.impersonation_service_users {
            let rule = Rule::parse(&entry.rule).map_err(|error| {
                grant_refusal("subject", error.to_string(), "a rule", "correct impersonationServiceUsers of the trust")
            })?;
            if !rule.matches(claims) {
                continue;
            }
            let user = self.domain.users.iter().find(|user| entry.names(user));
            let usable = user.filter(|user| user.active && user.service_user).ok_or_else(|| {
                grant_refusal(
                    "subject",
                    match user {
                        None => format!("rule {} names a user that does not exist", entry.rule),
                        Some(user) if !user.active => format!("{} is inactive", user.name),
                        Some(user) => format!("{} is not a service user", user.name),
                    },
                    "an active service user",
                    "correct impersonationServiceUsers of the trust, or activate the user",
                )
            })?;
            let mut grant = Grant { principal: usable.ocid.clone(), ..Grant::default() };
            grant.attributes.insert("user_name".to_owned(), usable.name.clone());
            grant.attributes.insert("source_authn_prin".to_owned(), subject.to_owned());
            grant.attributes.insert("rule".to_owned(), entry.rule.clone());
            return Ok(grant);
        }
        let rules: Vec<&str> = self.trust.impersonation_service_users.iter().map(|entry| entry.rule.as_str()).collect();
        Err(grant_refusal(
            "subject",
            subject,
            list_or(&rules, "nothing: impersonationServiceUsers is empty"),
            "add a rule to impersonationServiceUsers of the trust that matches the token's claims; the first match wins",
        ))
    }

    fn mapped_subject(&self, claims: &Claims) -> Result<Grant, Refusal> {
        let subject = self.subject_claim(claims)?;
        let attribute = self.trust.subject_mapping_attribute.as_deref().unwrap_or(DEFAULT_MAPPING_ATTRIBUTE);
        let mut matching = self.domain.users.iter().filter(|user| user.attribute(attribute) == Some(subject));
        let wanted = format!("exactly one active user whose {attribute} is that");
        let fix = "create the user, or correct subjectClaimName and subjectMappingAttribute of the trust";
        match (matching.next(), matching.next()) {
            (Some(user), None) if user.active => {
                let mut grant = Grant { principal: user.ocid.clone(), ..Grant::default() };
                grant.attributes.insert("user_name".to_owned(), user.name.clone());
                Ok(grant)
            }
            (Some(_), None) => Err(grant_refusal("subject", format!("{subject}, an inactive user"), wanted, fix)),
            (Some(_), Some(_)) => Err(grant_refusal("subject", format!("{subject}, several users"), wanted, fix)),
            (None, _) => Err(grant_refusal("subject", subject, wanted, fix)),
        }
    }

    fn subject_claim<'c>(&self, claims: &'c Claims) -> Result<&'c str, Refusal> {
        let name = self.trust.subject_claim_name.as_deref().unwrap_or("sub");
        claims.str(name).filter(|subject| !subject.is_empty()).ok_or_else(|| {
            grant_refusal(
                "subject",
                format!("{name} absent or not text"),
                "a text",
                "set subjectClaimName of the trust to a claim that the token carries",
            )
        })
    }

    /// The smallest of the token's remaining life, the domain's setting and 60 minutes (A-Team, "Workload Identity
    /// Federation").
    fn upst_lifetime(&self, claims: &Claims) -> Result<SignedDuration, Refusal> {
        let end = claims.time("exp").map_or(SignedDuration::ZERO, |exp| exp.duration_since(self.now));
        let remaining = end.saturating_add(self.trust.clock_skew());
        let lifetime = remaining.min(UPST_MAX).min(self.domain.upst_max.unwrap_or(UPST_MAX));
        if lifetime >= SignedDuration::from_secs(1) {
            return Ok(lifetime);
        }
        Err(grant_refusal(
            "lifetime",
            format!("{} seconds", lifetime.as_secs()),
            "at least one second",
            "ask the issuer for a new token and exchange it at once",
        ))
    }
}

/// Attribute of a user in which the subject is looked up when the trust names none.
///
/// UNCONFIRMED: the schema has no default; `userName` is what the documentation's example sets.
const DEFAULT_MAPPING_ATTRIBUTE: &str = "userName";

fn issuer_refusal(seen: &str, near: Option<&str>) -> Refusal {
    let fix = match near {
        Some(near) if near.trim_end_matches('/') == seen.trim_end_matches('/') => {
            "write issuer in the trust exactly as iss in the token: they differ by a trailing slash"
        }
        _ => "create an identity propagation trust whose issuer is exactly iss of the token",
    };
    let seen = if seen.is_empty() { "no iss" } else { seen };
    grant_refusal("issuer", seen, near.unwrap_or("the issuer of a trust of this identity domain"), fix)
}

fn jwt_refusal(error: JwtError) -> Refusal {
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
    grant_refusal(clause, seen, wanted, fix)
}

/// A refusal of what was shown.
///
/// UNCONFIRMED code: Oracle publishes only `invalid_client`. `invalid_grant` is what RFC 6749, 5.2 has for an assertion
/// that is invalid, expired or was issued to somebody else.
fn grant_refusal(
    clause: &'static str,
    seen: impl Into<String>,
    wanted: impl Into<String>,
    fix: impl Into<String>,
) -> Refusal {
    Refusal::new(clause, seen, wanted, "invalid_grant", fix)
}

/// A refusal of how it was asked for (RFC 6749, 5.2).
fn request_refusal(
    clause: &'static str,
    seen: impl Into<String>,
    wanted: impl Into<String>,
    fix: impl Into<String>,
) -> Refusal {
    Refusal::new(clause, seen, wanted, "invalid_request", fix)
}

/// A claim of one value as text. Arrays and objects have none.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A claim as a list of texts: one, or those of an array (RFC 7519, 4.1.3 on `aud`).
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn list_or<T: AsRef<str>>(values: &[T], otherwise: &str) -> String {
    if values.is_empty() {
        return otherwise.to_owned();
    }
    let mut list = String::new();
    for value in values {
        if !list.is_empty() {
            list.push_str(" or ");
        }
        list.push_str(value.as_ref());
    }
    list
}

#[cfg(test)]
mod tests;
