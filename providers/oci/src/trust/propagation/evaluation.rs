//! The clauses, one after the other.

use carnet_jose::{Claims, KeySet, Rules, UnverifiedJwt, VerifiedJwt, verify_jwt};
use carnet_trust::Grant;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    Caller, Domain, EXTERNAL_ALGORITHMS, ExchangeRequest, PROPAGATED_PREFIX, PropagationTrust, RPST_DEFAULT, RPST_MAX,
    RequestedToken, Rule, SIGNED_CALLER_PERMISSION, SubjectType, TrustType, UPST_MAX, refusal,
};
use crate::trust::Checked;

/// Attribute of a user in which the subject is looked up when the trust names none.
///
/// UNCONFIRMED: the schema has no default; `userName` is what the documentation's example sets.
const DEFAULT_MAPPING_ATTRIBUTE: &str = "userName";

/// One request before one trust.
pub(super) struct Evaluation<'a> {
    pub(super) request: &'a ExchangeRequest<'a>,
    pub(super) trust: &'a PropagationTrust,
    pub(super) domain: &'a Domain<'a>,
    pub(super) now: Timestamp,
}

impl Evaluation<'_> {
    /// Goes through the clauses in order and notes those that hold.
    pub(super) fn run(&self, token: &UnverifiedJwt, keys: &KeySet, held: &mut Vec<&'static str>) -> Checked<Grant> {
        let issuer = token.unverified_issuer().unwrap_or_default();
        if issuer != self.trust.issuer {
            return Err(refusal::issuer(issuer, Some(&self.trust.issuer)));
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

    fn check_trust(&self) -> Checked<()> {
        if !self.trust.active {
            return Err(refusal::of_grant(
                "trust",
                "an inactive trust",
                "an active one",
                "set active to true in the identity propagation trust",
            ));
        }
        if self.trust.kind != TrustType::Jwt {
            let seen = format!("a trust of type {}", self.trust.kind.name());
            return Err(refusal::of_grant(
                "trust",
                seen,
                "type JWT",
                "create the identity propagation trust with type JWT",
            ));
        }
        if let Some(mistake) = self.trust.mistakes().into_iter().next() {
            return Err(refusal::of_grant(
                "trust",
                mistake.to_string(),
                "a trust without mistakes",
                "correct the identity propagation trust",
            ));
        }
        Ok(())
    }

    fn check_caller(&self) -> Checked<()> {
        match self.request.caller {
            Caller::Client(id) if self.trust.oauth_clients.iter().any(|client| client == id) => Ok(()),
            Caller::Client(id) => Err(refusal::of_caller(
                "client",
                id,
                list_or(&self.trust.oauth_clients, "an OCI-signed request: the trust names no client"),
                "add the client id to oauthClients of the identity propagation trust",
            )),
            // The documentation of the signed form says to leave `oauthClients` out. A trust that names clients is
            // taken at its word.
            Caller::Principal { id, .. } if !self.trust.oauth_clients.is_empty() => Err(refusal::of_caller(
                "client",
                id,
                list_or(&self.trust.oauth_clients, ""),
                "leave oauthClients out of the identity propagation trust, or exchange with one of the clients it names",
            )),
            Caller::Principal { id, permitted: false } => Err(refusal::of_caller(
                "policy",
                id,
                SIGNED_CALLER_PERMISSION,
                "add the policy: Allow dynamic-group … to {GET_RPST} in tenancy",
            )),
            Caller::Principal { permitted: true, .. } => Ok(()),
        }
    }

    /// Whether the trust makes what is asked for, and under the label that is asked for.
    fn check_requested(&self) -> Checked<()> {
        match (self.request.requested, self.trust.subject_type) {
            (RequestedToken::Upst, SubjectType::User) => Ok(()),
            (RequestedToken::Rpst, SubjectType::Resource) => self.check_resource_type(),
            (requested, subject_type) => {
                let (seen, wanted) = match requested {
                    RequestedToken::Rpst => ("oci-rpst", "Resource"),
                    RequestedToken::Upst => ("oci-upst", "User"),
                };
                Err(refusal::of_request(
                    "token-type",
                    format!("{seen} with a trust whose subjectType is {}", subject_type.name()),
                    format!("a trust whose subjectType is {wanted}"),
                    "ask for the other token type, or set subjectType of the identity propagation trust",
                ))
            }
        }
    }

    fn check_resource_type(&self) -> Checked<()> {
        let wanted = self.trust.impersonating_resource.as_deref().unwrap_or_default();
        let seen = self.request.resource_type.unwrap_or_default();
        if !wanted.is_empty() && seen == wanted {
            return Ok(());
        }
        Err(refusal::of_request(
            "resource",
            if seen.is_empty() { "no res_type" } else { seen },
            wanted,
            "send res_type with the value of impersonatingResource of the identity propagation trust",
        ))
    }

    /// The lifetime that the request itself decides: that of an RPST.
    fn requested_lifetime(&self) -> Checked<Option<SignedDuration>> {
        if self.request.requested == RequestedToken::Upst {
            return Ok(None);
        }
        let Some(text) = self.request.rpst_exp else { return Ok(Some(RPST_DEFAULT)) };
        let seconds = text.parse::<u32>().ok().filter(|seconds| *seconds > 0);
        let lifetime = seconds.map(|seconds| SignedDuration::from_secs(i64::from(seconds)));
        lifetime.filter(|lifetime| *lifetime <= RPST_MAX).map(Some).ok_or_else(|| {
            refusal::of_request(
                "lifetime",
                text.chars().take(20).collect::<String>(),
                format!("1 to {} seconds", RPST_MAX.as_secs()),
                "send rpst_exp in seconds, at most 43200, or leave it out",
            )
        })
    }

    /// The signature, with the key that the token names when there is more than the one of a certificate.
    ///
    /// UNCONFIRMED: what the domain does with a token or a key without `kid`. Both are refused, so that which key counts
    /// is never a matter of trying.
    fn verify(&self, token: &UnverifiedJwt, keys: &KeySet) -> Checked<VerifiedJwt> {
        let named = token.unverified_kid();
        let by_name = self.trust.public_certificate.is_none();
        if by_name && named.is_none() {
            return Err(refusal::of_grant(
                "key",
                "no kid",
                "a kid in the header",
                "use an issuer whose tokens name their key, or give the trust publicCertificate",
            ));
        }
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
        let verified = verify_jwt(token, keys, &rules, self.now).map_err(refusal::of_jwt)?;
        if by_name && verified.kid() != named {
            return Err(refusal::of_grant(
                "key",
                format!("no key with the id {:?}", named.unwrap_or_default()),
                "a key with this kid",
                "give the keys at publicKeyEndpoint of the trust the ids that the tokens name",
            ));
        }
        Ok(verified)
    }

    /// The claim that says to which client the token was issued; returns whether the trust asks for it.
    fn check_audience(&self, claims: &Claims) -> Checked<bool> {
        let Some(name) = &self.trust.client_claim_name else { return Ok(false) };
        let seen = texts(claims.get(name));
        if seen.iter().any(|value| self.trust.client_claim_values.iter().any(|wanted| wanted == value)) {
            return Ok(true);
        }
        Err(refusal::of_grant(
            "audience",
            format!("{name} {}", list_or(&seen, "absent or not text")),
            list_or(&self.trust.client_claim_values, "nothing: clientClaimValues is empty"),
            "have the token issued for one of clientClaimValues, or add the value to the identity propagation trust",
        ))
    }

    fn check_validations(&self, claims: &Claims) -> Checked<()> {
        for wanted in &self.trust.claim_validations {
            let seen = claims.get(&wanted.name).and_then(scalar);
            if seen.as_deref() != Some(wanted.value.as_str()) {
                return Err(refusal::of_grant(
                    "claim-validation",
                    format!("{} {}", wanted.name, seen.as_deref().unwrap_or("absent or not a single value")),
                    &wanted.value,
                    "run the workload where the claim has that value, or correct claimValidations of the trust",
                ));
            }
        }
        Ok(())
    }

    fn subject(&self, claims: &Claims) -> Checked<Grant> {
        match self.request.requested {
            RequestedToken::Rpst => self.resource_subject(claims),
            RequestedToken::Upst if self.trust.allow_impersonation => self.impersonated_subject(claims),
            RequestedToken::Upst => self.mapped_subject(claims),
        }
    }

    fn resource_subject(&self, claims: &Claims) -> Checked<Grant> {
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
    fn impersonated_subject(&self, claims: &Claims) -> Checked<Grant> {
        let subject = self.subject_claim(claims)?;
        for entry in &self.trust.impersonation_service_users {
            let rule = Rule::parse(&entry.rule).map_err(|error| {
                refusal::of_grant(
                    "subject",
                    error.to_string(),
                    "a rule",
                    "correct impersonationServiceUsers of the trust",
                )
            })?;
            if !rule.matches(claims) {
                continue;
            }
            let user = self.domain.users.iter().find(|user| entry.names(user));
            let usable = user.filter(|user| user.active && user.service_user).ok_or_else(|| {
                refusal::of_grant(
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
        Err(refusal::of_grant(
            "subject",
            subject,
            list_or(&rules, "nothing: impersonationServiceUsers is empty"),
            "add a rule to impersonationServiceUsers of the trust that matches the token's claims; the first match wins",
        ))
    }

    fn mapped_subject(&self, claims: &Claims) -> Checked<Grant> {
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
            (Some(_), None) => Err(refusal::of_grant("subject", format!("{subject}, an inactive user"), wanted, fix)),
            (Some(_), Some(_)) => Err(refusal::of_grant("subject", format!("{subject}, several users"), wanted, fix)),
            (None, _) => Err(refusal::of_grant("subject", subject, wanted, fix)),
        }
    }

    fn subject_claim<'c>(&self, claims: &'c Claims) -> Checked<&'c str> {
        let name = self.trust.subject_claim_name.as_deref().unwrap_or("sub");
        claims.str(name).filter(|subject| !subject.is_empty()).ok_or_else(|| {
            refusal::of_grant(
                "subject",
                format!("{name} absent or not text"),
                "a text",
                "set subjectClaimName of the trust to a claim that the token carries",
            )
        })
    }

    /// The smallest of the token's remaining life, the domain's setting and 60 minutes (A-Team, "Workload Identity
    /// Federation").
    fn upst_lifetime(&self, claims: &Claims) -> Checked<SignedDuration> {
        // Without the tolerance for clocks: what is given must not outlive what was shown.
        let remaining = claims.time("exp").map_or(SignedDuration::ZERO, |exp| exp.duration_since(self.now));
        let lifetime = remaining.min(UPST_MAX).min(self.domain.upst_max.unwrap_or(UPST_MAX));
        if lifetime >= SignedDuration::from_secs(1) {
            return Ok(lifetime);
        }
        Err(refusal::of_grant(
            "lifetime",
            format!("{} seconds", lifetime.as_secs()),
            "at least one second",
            "ask the issuer for a new token and exchange it at once",
        ))
    }
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
