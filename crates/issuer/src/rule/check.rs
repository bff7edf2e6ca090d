//! From data to rules that can be asked: all mistakes at once.

use carnet_core::Mistake;
use carnet_jose::Algorithm;
use carnet_spiffe::{ISSUERS_CLAIMS, SpiffeId, TrustDomain};
use carnet_trust::Expression;
use ipnet::IpNet;
use serde_json::Value;
use url::Url;

use super::{
    ActorRule, Rule,
    compiled::{Compiled, CompiledActor, CustomClaim},
    pattern::Pattern,
    risk,
    template::Template,
};
use crate::{
    IssueType, SubjectType, networks,
    rule_set::RESERVED_PATH,
    signed_issuer::{self, SignedIssuer},
};

/// What a condition may read.
pub(crate) const VARIABLES: [&str; 2] = ["claims", "actor"];
/// What tokens are signed with.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
/// What no rule gives: see [`RESERVED_PATH`].
const RESERVED: &str = "paths below /carnet are those of the authority and its agents";
/// Most members of one list of a rule.
const MAX_LIST: usize = 1000;

/// Checks one rule. The trust domain, when it is known, must be that of the identity.
pub(crate) fn compile(rule: Rule, trust_domain: Option<&TrustDomain>) -> Result<Compiled, Vec<Mistake>> {
    let mut checker = Checker { mistakes: Vec::new() };
    checker.name(&rule.name);
    checker.issuer("issuer", &rule.issuer);
    checker.lists(&rule);
    let compiled = Compiled {
        types: checker.types(&rule),
        subject: rule.subject.as_deref().map(|subject| checker.pattern("subject", subject)),
        condition: checker.condition(rule.condition.as_deref()),
        networks: checker.networks(&rule.networks),
        identity: checker.identity(&rule, trust_domain),
        audiences: checker.patterns("audiences", &rule.audiences),
        resources: checker.patterns("resources", &rule.resources),
        algorithm: checker.algorithm(&rule),
        custom_claims: checker.custom_claims(&rule),
        actors: checker.actors(&rule.actors),
        introspect: checker.patterns("introspect", &rule.introspect),
        warnings: if rule.accept_risk.is_some() { Vec::new() } else { risk::ci::warnings(&rule) },
        rule,
    };
    checker.claims(&compiled.rule);
    checker.issue(&compiled.rule);
    checker.lifetimes(&compiled.rule);
    if checker.accepts_no_risk(compiled.rule.accept_risk.as_deref()) {
        checker.mistakes.extend(risk::risks(&compiled.rule, &compiled));
    }
    if checker.mistakes.is_empty() { Ok(compiled) } else { Err(checker.mistakes) }
}

struct Checker {
    mistakes: Vec<Mistake>,
}

impl Checker {
    fn mistake(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.mistakes.push(Mistake::new(field, message));
    }

    fn name(&mut self, name: &str) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
        if name.is_empty() || name.len() > 200 || !name.chars().all(allowed) {
            self.mistake("name", "a name has 1 to 200 letters, digits, dots, dashes, underscores and slashes");
        }
    }

    fn issuer(&mut self, field: &str, issuer: &str) {
        if let Some(domain) = issuer.strip_prefix("spiffe://") {
            if let Err(error) = domain.parse::<TrustDomain>() {
                self.mistake(field, format!("it is no trust domain: {error}"));
            }
            return;
        }
        match SignedIssuer::parse(issuer) {
            None => {}
            Some(Ok(_)) if field == "issuer" => return,
            Some(Ok(_)) => {
                return self.mistake(field, "an actor shows a token, and principals of this issuer have none");
            }
            Some(Err(wrong)) => return self.mistake(field, wrong),
        }
        let usable = Url::parse(issuer).is_ok_and(|url| {
            matches!(url.scheme(), "https" | "http") && url.query().is_none() && url.fragment().is_none()
        });
        if !usable {
            self.mistake(
                field,
                "it is neither an https URL without query and fragment nor spiffe://DOMAIN, oci://TENANCY or aws://ACCOUNT",
            );
        }
    }

    fn lists(&mut self, rule: &Rule) {
        let lists = [
            ("expected_audiences", &rule.expected_audiences),
            ("networks", &rule.networks),
            ("audiences", &rule.audiences),
            ("resources", &rule.resources),
            ("scopes", &rule.scopes),
            ("dns_names", &rule.dns_names),
            ("introspect", &rule.introspect),
        ];
        for (field, list) in lists {
            if list.len() > MAX_LIST {
                self.mistake(field, format!("it has {} members, more than {MAX_LIST}", list.len()));
            }
            if list.iter().any(String::is_empty) {
                self.mistake(field, "one of its members is empty");
            }
        }
        // RFC 6749, 3.3.
        let allowed = |c: char| matches!(c, '!' | '#'..='[' | ']'..='~');
        if let Some(scope) = rule.scopes.iter().find(|scope| !scope.chars().all(allowed)) {
            self.mistake("scopes", format!("{scope:?} cannot be a scope"));
        }
    }

    fn types(&mut self, rule: &Rule) -> Vec<SubjectType> {
        let of_spiffe = [SubjectType::JwtSvid, SubjectType::X509Svid];
        let (known, usual): (&[SubjectType], &[SubjectType]) = if rule.issuer.starts_with("spiffe://") {
            (&of_spiffe, &of_spiffe)
        } else if rule.issuer.starts_with(signed_issuer::OCI) {
            (&[SubjectType::OciRequest], &[SubjectType::OciRequest])
        } else if rule.issuer.starts_with(signed_issuer::AWS) {
            (&[SubjectType::AwsRequest], &[SubjectType::AwsRequest])
        } else {
            (
                &[SubjectType::Jwt, SubjectType::IdToken, SubjectType::AccessToken],
                &[SubjectType::Jwt, SubjectType::IdToken],
            )
        };
        if let Some(other) = rule.subject_token_types.iter().find(|kind| !known.contains(kind)) {
            let names: Vec<&str> = known.iter().map(|kind| kind.name()).collect();
            let message = format!("this issuer vouches for {}, not for {}", names.join(", "), other.name());
            self.mistake("subject_token_types", message);
        }
        let types = if rule.subject_token_types.is_empty() { usual } else { &rule.subject_token_types };
        if rule.single_use && types == [SubjectType::X509Svid] {
            self.mistake("single_use", "a certificate is shown with every connection, it cannot be used once");
        }
        types.to_vec()
    }

    fn pattern(&mut self, field: &str, text: &str) -> Pattern {
        if text.is_empty() || text.len() > Pattern::MAX_LENGTH {
            self.mistake(field, format!("a pattern has between 1 and {} bytes", Pattern::MAX_LENGTH));
        }
        if text.contains("***") {
            self.mistake(field, "\"***\" is no pattern");
        }
        Pattern::new(text)
    }

    fn patterns(&mut self, field: &str, texts: &[String]) -> Vec<Pattern> {
        texts.iter().map(|text| self.pattern(field, text)).collect()
    }

    fn condition(&mut self, source: Option<&str>) -> Option<Expression> {
        let compiled = Expression::compile_with(source?, &VARIABLES);
        match compiled {
            Ok(expression) if expression.is_boolean() => Some(expression),
            Ok(_) => {
                self.mistake("condition", "its value is not always a truth value: compare it with something");
                None
            }
            Err(error) => {
                self.mistake("condition", error.to_string());
                None
            }
        }
    }

    fn networks(&mut self, texts: &[String]) -> Vec<IpNet> {
        let mut read = Vec::new();
        for text in texts {
            match networks::parse(text) {
                Some(network) if network.trunc() != network => {
                    self.mistake(
                        "networks",
                        format!("{text:?} has bits set behind its mask: write {}", network.trunc()),
                    );
                }
                Some(network) => read.push(network),
                None => {
                    let message = format!("{text:?} is neither a network in CIDR notation nor an address");
                    self.mistake("networks", message);
                }
            }
        }
        read
    }

    fn identity(&mut self, rule: &Rule, trust_domain: Option<&TrustDomain>) -> Option<Template> {
        let text = match (&rule.identity, rule.issue.is_empty()) {
            (Some(text), _) => text,
            (None, true) => return None,
            (None, false) => {
                self.mistake("identity", "a rule that issues says which identity it gives");
                return None;
            }
        };
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(wrong) => {
                self.mistake("identity", wrong);
                return None;
            }
        };
        if template.is_only("sub") {
            if !rule.issuer.starts_with("spiffe://") {
                self.mistake("identity", "{sub} alone hands on a SPIFFE ID, and the subjects of this issuer have none");
            } else if trust_domain.is_some_and(|domain| rule.issuer != domain.id().as_str()) {
                self.mistake("identity", "{sub} alone hands on identities of our own trust domain only");
            }
            let path = rule.subject.as_deref().and_then(|subject| subject.strip_prefix(rule.issuer.as_str()));
            if path.is_some_and(|path| path.starts_with(RESERVED_PATH)) {
                self.mistake("identity", RESERVED);
            }
            return Some(template);
        }
        // With the shortest segment in place of each claim it must be an identity.
        let mut trial = text.clone();
        for name in template.claims() {
            trial = trial.replace(&format!("{{{name}}}"), "x");
        }
        let domain = trust_domain.map_or_else(|| "example.org".parse(), |domain| Ok(domain.clone()));
        let parsed = match (trial.starts_with('/'), domain) {
            (true, Ok(domain)) => SpiffeId::new(&domain, &trial),
            _ => trial.parse::<SpiffeId>(),
        };
        match parsed {
            Err(error) => self.mistake("identity", format!("it makes no SPIFFE ID: {error}")),
            Ok(id) if id.is_root() => self.mistake("identity", "it names a trust domain and no workload"),
            Ok(id) if trust_domain.is_some_and(|domain| !id.is_of(domain)) => {
                self.mistake("identity", "it is of another trust domain than this authority's");
            }
            Ok(id) if id.path().starts_with(RESERVED_PATH) => self.mistake("identity", RESERVED),
            Ok(_) => {}
        }
        if text.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next()).is_some_and(|name| name.contains('{'))
        {
            self.mistake("identity", "the trust domain does not come out of a claim");
        }
        Some(template)
    }

    fn algorithm(&mut self, rule: &Rule) -> Option<Algorithm> {
        let name = rule.algorithm.as_deref()?;
        let algorithm = Algorithm::from_name(name).filter(|algorithm| ALGORITHMS.contains(algorithm));
        match algorithm {
            None => self.mistake("algorithm", format!("{name:?} is none of RS256, ES256, ES384 and EdDSA")),
            Some(Algorithm::EdDsa) if rule.issue.contains(&IssueType::JwtSvid) => {
                self.mistake("algorithm", "EdDSA makes no JWT-SVID (JWT-SVID, 2.1)");
            }
            Some(_) => {}
        }
        algorithm
    }

    fn custom_claims(&mut self, rule: &Rule) -> Vec<(String, CustomClaim)> {
        let mut custom = Vec::new();
        for (name, value) in &rule.custom_claims {
            let field = format!("custom_claims.{name}");
            if ISSUERS_CLAIMS.contains(&name.as_str()) {
                self.mistake(&field, "the issuer writes this claim itself");
            }
            let made = match value {
                Value::String(text) if text.contains(['{', '}']) => match Template::parse(text) {
                    Ok(template) => CustomClaim::Template(template),
                    Err(wrong) => {
                        self.mistake(&field, wrong);
                        continue;
                    }
                },
                value => CustomClaim::Fixed(value.clone()),
            };
            custom.push((name.clone(), made));
        }
        custom
    }

    fn actors(&mut self, actors: &[ActorRule]) -> Vec<CompiledActor> {
        let each = actors.iter().enumerate().map(|(place, actor)| {
            self.issuer(&format!("actors[{place}].issuer"), &actor.issuer);
            let subject = self.pattern(&format!("actors[{place}].subject"), &actor.subject);
            CompiledActor { issuer: actor.issuer.clone(), subject }
        });
        each.collect()
    }

    fn claims(&mut self, rule: &Rule) {
        for (name, value) in &rule.claims {
            let field = format!("claims.{name}");
            let simple = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
            match value {
                Value::Array(values) if values.is_empty() => self.mistake(&field, "an empty list matches nothing"),
                Value::Array(values) if values.iter().all(simple) => {}
                value if simple(value) => {}
                _ => self
                    .mistake(&field, "a claim is compared with a text, a number or a truth value, or a list of such"),
            }
        }
    }

    fn issue(&mut self, rule: &Rule) {
        if rule.issue.is_empty() && rule.introspect.is_empty() {
            self.mistake("issue", "the rule allows nothing: name what is issued, or audiences in introspect");
        }
        if rule.issue.iter().enumerate().any(|(place, kind)| rule.issue.iter().take(place).any(|other| other == kind)) {
            self.mistake("issue", "one of its members is there twice");
        }
        let tokens = rule.issue.iter().any(|kind| *kind != IssueType::X509Svid);
        if tokens && rule.audiences.is_empty() && rule.resources.is_empty() {
            self.mistake("audiences", "a rule that issues tokens says for whom they may be");
        }
        if !rule.issue.contains(&IssueType::X509Svid) && !rule.dns_names.is_empty() {
            self.mistake("dns_names", "there are DNS names in X509-SVIDs only");
        }
        let access = rule.issue.contains(&IssueType::AccessToken);
        let only_for_access = [
            ("uses", rule.uses.is_some()),
            ("max_lifetime", rule.max_lifetime.is_some()),
            ("scopes", !rule.scopes.is_empty()),
            ("stateless", rule.stateless),
        ];
        for (field, is_set) in only_for_access {
            if is_set && !access {
                self.mistake(field, "only access tokens have this, and the rule issues none");
            }
        }
        for (field, is_set) in [("uses", rule.uses.is_some()), ("max_lifetime", rule.max_lifetime.is_some())] {
            if is_set && rule.stateless {
                self.mistake(
                    field,
                    "a token of which nothing is remembered (stateless) is neither counted nor renewed",
                );
            }
        }
        if rule.uses == Some(0) {
            self.mistake("uses", "a token that cannot be used once is none");
        }
    }

    fn lifetimes(&mut self, rule: &Rule) {
        for (field, lifetime) in [("lifetime", rule.lifetime), ("max_lifetime", rule.max_lifetime)] {
            if lifetime == Some(0) {
                self.mistake(field, "it is 0 seconds");
            }
        }
        if let (Some(lifetime), Some(most)) = (rule.lifetime, rule.max_lifetime)
            && lifetime > most
        {
            self.mistake("max_lifetime", "it is shorter than lifetime");
        }
        if rule.max_lifetime.is_some() && rule.uses.is_some() {
            self.mistake("max_lifetime", "a token that is counted (uses) cannot be renewed");
        }
    }

    fn accepts_no_risk(&mut self, reason: Option<&str>) -> bool {
        match reason {
            Some(reason) if reason.trim().is_empty() => {
                self.mistake("accept_risk", "it says no reason");
                true
            }
            Some(_) => false,
            None => true,
        }
    }
}
