//! All rules, by issuer.

mod decide;
mod explain;

use std::{collections::HashMap, sync::Arc};

use carnet_core::Mistake;
use carnet_spiffe::TrustDomain;
use serde_json::Value;

pub use decide::{Actor, Asked, Presented};
pub(crate) use decide::{Denial, Granted, Ground, Introspects, RESERVED_PATH};

use crate::{
    Rule, TrustedIssuer,
    rule::{check, compiled::Compiled, pattern::Pattern},
    trusted::CheckedIssuer,
};

/// Rules that have been checked, indexed by issuer and, where it is exact, by subject: what a decision costs does not depend on the rules for others.
#[derive(Debug, Default)]
pub struct RuleSet {
    issuers: HashMap<String, OfIssuer>,
    by_name: HashMap<String, Arc<Compiled>>,
}

/// What is known of one issuer.
#[derive(Debug, Default)]
pub(crate) struct OfIssuer {
    /// How its tokens are verified; `None` for trust domains, whose bundles say that.
    pub(crate) trusted: Option<Arc<CheckedIssuer>>,
    exact: HashMap<String, Vec<Arc<Compiled>>>,
    others: Vec<Arc<Compiled>>,
    /// What its tokens may be for, apart from this authority, in all its rules.
    pub(crate) expected_audiences: Vec<String>,
    /// Groups that its rules name in the claim `groups`.
    pub(crate) groups: Vec<String>,
}

impl RuleSet {
    /// Most rules of one set.
    pub const MAX_RULES: usize = 100_000;

    /// Checks rules whose issuers all have the defaults of [`TrustedIssuer`].
    ///
    /// # Errors
    /// All mistakes of all rules at once, dangerous rules included; fields are `rules[PLACE].FIELD`.
    pub fn load(rules: Vec<Rule>) -> Result<Self, Vec<Mistake>> {
        Self::load_with(rules, &[], None)
    }

    /// Checks rules and issuers. With a trust domain the identities given must be of it.
    ///
    /// # Errors
    /// All mistakes at once; those of issuers are `issuers[PLACE].FIELD`.
    pub fn load_with(
        rules: Vec<Rule>,
        issuers: &[TrustedIssuer],
        trust_domain: Option<&TrustDomain>,
    ) -> Result<Self, Vec<Mistake>> {
        let mut set = Self::default();
        let mut mistakes = Vec::new();
        if rules.len() > Self::MAX_RULES {
            let message = format!("there are {} rules, more than {}", rules.len(), Self::MAX_RULES);
            return Err(vec![Mistake::new("rules", message)]);
        }
        for (place, issuer) in issuers.iter().enumerate() {
            let at = |field: &str| format!("issuers[{place}].{field}");
            match issuer.check() {
                Ok(checked) => {
                    let of = set.issuers.entry(issuer.issuer.clone()).or_default();
                    if of.trusted.replace(Arc::new(checked)).is_some() {
                        mistakes.push(Mistake::new(at("issuer"), "there are two of this issuer"));
                    }
                }
                Err(found) => mistakes.extend(found.into_iter().map(|m| Mistake { field: at(&m.field), ..m })),
            }
        }
        for (place, rule) in rules.into_iter().enumerate() {
            let at = |field: &str| format!("rules[{place}].{field}");
            match check::compile(rule, trust_domain) {
                Ok(compiled) if set.by_name.contains_key(compiled.name()) => {
                    mistakes.push(Mistake::new(at("name"), format!("there are two rules {:?}", compiled.name())));
                }
                Ok(compiled) => {
                    let found = set.trust_by_default(&compiled, issuers);
                    mistakes.extend(found.into_iter().map(|m| Mistake { field: at(&m.field), ..m }));
                    set.add(Arc::new(compiled));
                }
                Err(found) => mistakes.extend(found.into_iter().map(|m| Mistake { field: at(&m.field), ..m })),
            }
        }
        if mistakes.is_empty() { Ok(set) } else { Err(mistakes) }
    }

    fn add(&mut self, rule: Arc<Compiled>) {
        let of = self.issuers.entry(rule.rule.issuer.clone()).or_default();
        for audience in &rule.rule.expected_audiences {
            if !of.expected_audiences.contains(audience) {
                of.expected_audiences.push(audience.clone());
            }
        }
        for group in named_groups(&rule.rule) {
            if !of.groups.contains(group) {
                of.groups.push(group.clone());
            }
        }
        match rule.rule.subject.as_deref().filter(|_| rule.subject.as_ref().is_some_and(Pattern::is_exact)) {
            Some(subject) => of.exact.entry(subject.to_owned()).or_default().push(Arc::clone(&rule)),
            None => of.others.push(Arc::clone(&rule)),
        }
        self.by_name.insert(rule.name().to_owned(), rule);
    }

    /// Issuers that a rule names and nothing else describes have the defaults. Returned is what is wrong with them then.
    fn trust_by_default(&mut self, rule: &Compiled, described: &[TrustedIssuer]) -> Vec<Mistake> {
        let actors = rule.actors.iter().enumerate();
        let actors = actors.map(|(place, actor)| (format!("actors[{place}].issuer"), &actor.issuer));
        let mut mistakes = Vec::new();
        for (field, issuer) in actors.chain([("issuer".to_owned(), &rule.rule.issuer)]) {
            let of = self.issuers.entry(issuer.clone()).or_default();
            let is_described = || described.iter().any(|described| described.issuer == *issuer);
            if of.trusted.is_some() || issuer.starts_with("spiffe://") || is_described() {
                continue;
            }
            match TrustedIssuer::new(issuer).check() {
                Ok(checked) => of.trusted = Some(Arc::new(checked)),
                Err(found) => mistakes.extend(found.into_iter().map(|m| Mistake { field: field.clone(), ..m })),
            }
        }
        mistakes
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The rule of this name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.by_name.get(name).map(|compiled| &compiled.rule)
    }

    /// All rules, in no order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.by_name.values().map(|compiled| &compiled.rule)
    }

    /// Names and reasons of the rules that are dangerous and say why.
    pub fn accepted_risks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name.values().filter_map(|compiled| Some((compiled.name(), compiled.rule.accept_risk.as_deref()?)))
    }

    /// What is taken and should not be: the names of rules for jobs of CI systems, and what could happen. Rules with a reason why they are as they should
    /// be have none.
    pub fn warnings(&self) -> impl Iterator<Item = (&str, &Mistake)> {
        self.by_name.values().flat_map(|rule| rule.warnings.iter().map(|warning| (rule.name(), warning)))
    }

    pub(crate) fn compiled(&self, name: &str) -> Option<&Arc<Compiled>> {
        self.by_name.get(name)
    }

    pub(crate) fn of_issuer(&self, issuer: &str) -> Option<&OfIssuer> {
        self.issuers.get(issuer)
    }

    pub(crate) fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.keys().map(String::as_str)
    }
}

/// What a rule wants to see in the claim `groups`.
fn named_groups(rule: &Rule) -> impl Iterator<Item = &String> {
    let named = rule.claims.get("groups").into_iter().flat_map(|groups| match groups {
        Value::Array(groups) => groups.as_slice(),
        one => std::slice::from_ref(one),
    });
    named.filter_map(|group| match group {
        Value::String(group) => Some(group),
        _ => None,
    })
}

impl OfIssuer {
    /// The rules that may be meant, those with this very subject first.
    fn candidates(&self, subject: &str) -> impl Iterator<Item = &Arc<Compiled>> {
        self.exact.get(subject).into_iter().flatten().chain(&self.others)
    }
}
