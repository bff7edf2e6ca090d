//! One decision.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use carnet_core::safe_text;
use carnet_spiffe::{SpiffeId, TrustDomain};
use carnet_trust::{CelErrorKind, Decision, Grant, Refusal};
use serde_json::{Map, Value};

use super::RuleSet;
use crate::{
    IssueType, SubjectType,
    rule::{claim, compiled::Compiled},
};

/// What was proved: whose token it is, verified, or whose certificate.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// `iss` of the token, or `spiffe://DOMAIN`.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// What it is.
    pub kind: SubjectType,
    /// All claims.
    pub claims: &'a Map<String, Value>,
    /// Where the request comes from.
    pub address: Option<IpAddr>,
}

/// Who acts for the subject, proved like the subject.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// `iss` of the token, or `spiffe://DOMAIN`.
    pub issuer: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// All claims.
    pub claims: &'a Map<String, Value>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// What is to be issued; the first that the rule issues when absent.
    pub issue: Option<IssueType>,
    /// `audience`.
    pub audiences: &'a [String],
    /// `resource`.
    pub resources: &'a [String],
    /// `scope`, in parts.
    pub scopes: &'a [&'a str],
    /// Who acts for the subject.
    pub actor: Option<Actor<'a>>,
    /// The one rule that may answer, when the proof was made for it alone.
    pub rule: Option<&'a str>,
}

/// Where it is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) issuer_url: &'a str,
    pub(crate) trust_domain: &'a TrustDomain,
}

/// What is granted.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) rule: Arc<Compiled>,
    pub(crate) identity: SpiffeId,
    pub(crate) issue: IssueType,
    /// `aud`: audiences and resources.
    pub(crate) audiences: Vec<String>,
    pub(crate) scopes: Vec<String>,
}

/// Why nothing is, and the rule that came closest.
#[derive(Debug)]
pub(crate) struct Denial {
    pub(crate) rule: Option<String>,
    pub(crate) refusal: Box<Refusal>,
}

/// What somebody may look up.
#[derive(Debug)]
pub(crate) enum Introspects<'a> {
    /// No token at all.
    Nothing,
    /// Tokens, but not this one.
    Others,
    /// This token.
    This(&'a Arc<Compiled>),
}

/// The conditions of a rule, in the order in which they are checked.
pub(super) const CLAUSES: [&str; 11] = [
    "token-type",
    "audience",
    "subject",
    "claims",
    "condition",
    "network",
    "actor",
    "issue",
    "target",
    "scope",
    "identity",
];

/// Identities of the authority and of its agents, which no rule gives.
pub(crate) const RESERVED_PATH: &str = "/carnet/";

/// The place of the condition that failed.
pub(super) type Failed = usize;

impl RuleSet {
    /// The answer of the rules to a proof, with the reasons: the rule that came closest is the one whose condition is named. Pure: nothing is verified,
    /// fetched, or written. The attribute `rule` names the rule.
    pub fn evaluate(
        &self,
        issuer_url: &str,
        trust_domain: &TrustDomain,
        presented: &Presented<'_>,
        asked: &Asked<'_>,
    ) -> Decision {
        match self.decide(Ground { issuer_url, trust_domain }, presented, asked) {
            Ok(granted) => Decision::Allow(Grant {
                principal: granted.identity.to_string(),
                lifetime: granted.rule.lifetime(),
                attributes: BTreeMap::from([
                    ("rule".to_owned(), granted.rule.name().to_owned()),
                    ("issue".to_owned(), granted.issue.name().to_owned()),
                    ("audience".to_owned(), granted.audiences.join(" ")),
                    ("scope".to_owned(), granted.scopes.join(" ")),
                ]),
                held: CLAUSES.to_vec(),
                warnings: Vec::new(),
            }),
            Err(denial) => Decision::Refuse(*denial.refusal),
        }
    }

    pub(crate) fn decide(
        &self,
        ground: Ground<'_>,
        presented: &Presented<'_>,
        asked: &Asked<'_>,
    ) -> Result<Granted, Denial> {
        let mut closest: Option<(Failed, &Arc<Compiled>)> = None;
        let of = self.of_issuer(presented.issuer);
        let meant = |rule: &&Arc<Compiled>| asked.rule.is_none_or(|name| rule.name() == name);
        for rule in of.into_iter().flat_map(|of| of.candidates(presented.subject)).filter(meant) {
            let attempt = Attempt { ground, presented, asked, rule };
            match attempt.grant() {
                Ok(granted) => return Ok(granted),
                Err(failed) if closest.is_none_or(|(before, _)| failed > before) => closest = Some((failed, rule)),
                Err(_) => {}
            }
        }
        Err(match closest {
            Some((failed, rule)) => Attempt { ground, presented, asked, rule }.denial(failed),
            None => match asked.rule {
                Some(name) => no_such_rule(name),
                None => self.no_rule(presented, of.is_some()),
            },
        })
    }

    /// The rule by which this subject may look up a token for these audiences, if there is one.
    pub(crate) fn introspects(
        &self,
        ground: Ground<'_>,
        presented: &Presented<'_>,
        audiences: &[String],
    ) -> Introspects<'_> {
        let mut closest = Introspects::Nothing;
        for rule in self.of_issuer(presented.issuer).into_iter().flat_map(|of| of.candidates(presented.subject)) {
            let attempt = Attempt { ground, presented, asked: &Asked::default(), rule };
            if rule.introspect.is_empty() || attempt.who().is_err() {
                continue;
            }
            if audiences.iter().any(|audience| rule.introspect.iter().any(|known| known.matches(audience))) {
                return Introspects::This(rule);
            }
            closest = Introspects::Others;
        }
        closest
    }

    fn no_rule(&self, presented: &Presented<'_>, known: bool) -> Denial {
        let (clause, seen) = if known { ("subject", presented.subject) } else { ("issuer", presented.issuer) };
        let mut names: Vec<&str> = self.issuers().collect();
        names.sort_unstable();
        names.truncate(5);
        let wanted = if known { "a rule for this subject".to_owned() } else { names.join(", ") };
        let fix = "write a rule for it, if it is to be allowed";
        let refusal = Refusal::new(clause, safe_text(seen), wanted, "access_denied", fix);
        Denial { rule: None, refusal: Box::new(refusal) }
    }
}

/// The proof was made for one rule, and that is none of its issuer's.
fn no_such_rule(name: &str) -> Denial {
    let fix = "sign for a rule of this issuer, or for none";
    let refusal = Refusal::new("rule", safe_text(name), "a rule that names this issuer", "access_denied", fix);
    Denial { rule: None, refusal: Box::new(refusal) }
}

pub(super) struct Attempt<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) presented: &'a Presented<'a>,
    pub(super) asked: &'a Asked<'a>,
    pub(super) rule: &'a Arc<Compiled>,
}

impl Attempt<'_> {
    /// Whether it is the subject of the rule.
    fn who(&self) -> Result<(), Failed> {
        let rule = &**self.rule;
        require(0, rule.types.contains(&self.presented.kind))?;
        require(1, self.audience_fits())?;
        require(2, rule.subject.as_ref().is_none_or(|subject| subject.matches(self.presented.subject)))?;
        require(3, self.unfit_claim().is_none())?;
        require(4, self.condition().is_ok_and(|holds| holds))?;
        require(5, rule.admits(self.presented.address))
    }

    fn grant(&self) -> Result<Granted, Failed> {
        self.who()?;
        require(6, self.asked.actor.is_none_or(|actor| self.may_act(&actor)))?;
        let issue = self.issue().ok_or(7_usize)?;
        let audiences = self.targets(issue).ok_or(8_usize)?;
        let scopes = self.scopes(issue).ok_or(9_usize)?;
        let identity = self.identity().map_err(|_reason| 10_usize)?;
        Ok(Granted { rule: Arc::clone(self.rule), identity, issue, audiences, scopes })
    }

    fn audience_fits(&self) -> bool {
        if self.presented.kind == SubjectType::X509Svid {
            return true;
        }
        let expected = &self.rule.rule.expected_audiences;
        let fits = |audience: &str| {
            let own = expected.is_empty() && audience == self.ground.issuer_url;
            own || expected.iter().any(|expected| expected == audience)
        };
        match self.presented.claims.get("aud") {
            Some(Value::String(audience)) => fits(audience),
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).any(fits),
            _ => false,
        }
    }

    pub(super) fn unfit_claim(&self) -> Option<(&str, &Value)> {
        let fits = |name: &str, wanted: &Value| {
            claim::find(self.presented.claims, name).is_some_and(|seen| claim::fits(seen, wanted))
        };
        self.rule
            .rule
            .claims
            .iter()
            .find(|(name, wanted)| !fits(name, wanted))
            .map(|(name, wanted)| (name.as_str(), wanted))
    }

    /// # Errors
    /// What the expression says when it has no value; a missing claim fails it like any other.
    pub(super) fn condition(&self) -> Result<bool, String> {
        let Some(condition) = &self.rule.condition else { return Ok(true) };
        let nobody = Map::new();
        let actor = self.asked.actor.map_or(&nobody, |actor| actor.claims);
        match condition.evaluate_members(&[("claims", self.presented.claims), ("actor", actor)]) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(_) => Err("its value is no truth value".to_owned()),
            Err(error) if error.kind == CelErrorKind::MissingKey => {
                Err(format!("{error}; has() would have asked first"))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn may_act(&self, actor: &Actor<'_>) -> bool {
        let appointed = self.presented.claims.get("may_act").map(|may_act| is_appointed(may_act, actor));
        let listed =
            self.rule.actors.iter().any(|known| known.issuer == actor.issuer && known.subject.matches(actor.subject));
        match appointed {
            Some(appointed) => appointed && (listed || self.rule.rule.may_act),
            None => listed,
        }
    }

    fn issue(&self) -> Option<IssueType> {
        let issued = &self.rule.rule.issue;
        match self.asked.issue {
            Some(wanted) => issued.contains(&wanted).then_some(wanted),
            None => issued.first().copied(),
        }
    }

    /// `aud` of what is issued, without repetitions; none for certificates.
    fn targets(&self, issue: IssueType) -> Option<Vec<String>> {
        let (audiences, resources) = (self.asked.audiences, self.asked.resources);
        let allowed = audiences.iter().all(|audience| self.rule.audiences.iter().any(|known| known.matches(audience)))
            && resources.iter().all(|resource| self.rule.resources.iter().any(|known| known.matches(resource)));
        if !allowed {
            return None;
        }
        if issue == IssueType::X509Svid {
            return (audiences.is_empty() && resources.is_empty()).then(Vec::new);
        }
        let mut targets: Vec<String> = Vec::with_capacity(audiences.len().saturating_add(resources.len()));
        for target in audiences.iter().chain(resources) {
            if !targets.contains(target) {
                targets.push(target.clone());
            }
        }
        if targets.is_empty() {
            let rule = &self.rule.rule;
            match (rule.audiences.as_slice(), self.rule.audiences.as_slice(), rule.resources.is_empty()) {
                ([only], [pattern], true) if pattern.is_exact() => targets.push(only.clone()),
                _ => return None,
            }
        }
        Some(targets)
    }

    fn scopes(&self, issue: IssueType) -> Option<Vec<String>> {
        let known = &self.rule.rule.scopes;
        if issue != IssueType::AccessToken {
            return self.asked.scopes.is_empty().then(Vec::new);
        }
        if self.asked.scopes.is_empty() {
            return Some(known.clone());
        }
        let allowed = self.asked.scopes.iter().all(|scope| known.iter().any(|known| known == scope));
        allowed.then(|| self.asked.scopes.iter().map(|&scope| scope.to_owned()).collect())
    }

    /// # Errors
    /// What is wrong with it, safe to show.
    pub(super) fn identity(&self) -> Result<SpiffeId, String> {
        let template = self.rule.identity.as_ref().ok_or("the rule gives none")?;
        let id = if template.is_only("sub") {
            self.presented.subject.parse::<SpiffeId>()
        } else {
            let text = template
                .segments(self.presented.claims)
                .map_err(|name| format!("the claim {name:?} is not one segment of a path"))?;
            if text.starts_with('/') { SpiffeId::new(self.ground.trust_domain, &text) } else { text.parse() }
        };
        let id = id.map_err(|error| error.to_string())?;
        // A claim could have put it there, or the subject be an agent: what is given to those goes with their ban.
        if id.path().starts_with(RESERVED_PATH) {
            return Err(format!("{id} is below {RESERVED_PATH}"));
        }
        if !id.is_of(self.ground.trust_domain) || id.is_root() {
            return Err(format!("{id} is no workload of {}", self.ground.trust_domain));
        }
        Ok(id)
    }
}

fn require(place: Failed, holds: bool) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(place) }
}

/// RFC 8693, 4.4: the members of `may_act` say who it is; each must be a claim of the actor. Without `sub` it says nothing.
fn is_appointed(may_act: &Value, actor: &Actor<'_>) -> bool {
    let Some(members) = may_act.as_object() else { return false };
    members.get("sub").and_then(Value::as_str) == Some(actor.subject)
        && members.iter().all(|(name, wanted)| actor.claims.get(name).is_some_and(|seen| seen == wanted))
}
