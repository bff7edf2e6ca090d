//! Rules that have been checked.

use std::net::IpAddr;

use carnet_core::Mistake;
use carnet_jose::Algorithm;
use carnet_trust::Expression;
use ipnet::IpNet;
use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::{Rule, pattern::Pattern, template::Template};
use crate::SubjectType;

/// A rule that has been checked, ready to be asked.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) rule: Rule,
    pub(crate) types: Vec<SubjectType>,
    pub(crate) subject: Option<Pattern>,
    pub(crate) condition: Option<Expression>,
    pub(crate) networks: Vec<IpNet>,
    pub(crate) identity: Option<Template>,
    pub(crate) audiences: Vec<Pattern>,
    pub(crate) resources: Vec<Pattern>,
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) custom_claims: Vec<(String, CustomClaim)>,
    pub(crate) actors: Vec<CompiledActor>,
    pub(crate) introspect: Vec<Pattern>,
    /// What is taken and should not be.
    pub(crate) warnings: Vec<Mistake>,
}

/// Who may act for the subject.
#[derive(Debug)]
pub(crate) struct CompiledActor {
    pub(crate) issuer: String,
    pub(crate) subject: Pattern,
}

/// What a custom claim is made from.
#[derive(Debug)]
pub(crate) enum CustomClaim {
    Fixed(Value),
    Template(Template),
}

impl Compiled {
    pub(crate) fn name(&self) -> &str {
        &self.rule.name
    }

    pub(crate) fn lifetime(&self) -> Option<SignedDuration> {
        self.rule.lifetime.map(|seconds| SignedDuration::from_secs(i64::from(seconds)))
    }

    pub(crate) fn max_lifetime(&self) -> Option<SignedDuration> {
        self.rule.max_lifetime.map(|seconds| SignedDuration::from_secs(i64::from(seconds)))
    }

    /// Whether it may be asked for from there. Who has no address is in no network.
    pub(crate) fn admits(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty()
            || address.is_some_and(|address| self.networks.iter().any(|network| network.contains(&address)))
    }

    /// The custom claims of a token for a subject with these claims.
    ///
    /// # Errors
    /// The custom claim that cannot be made, and the claim that is missing.
    pub(crate) fn custom_claims(&self, claims: &Map<String, Value>) -> Result<Map<String, Value>, (&str, &str)> {
        let mut made = Map::with_capacity(self.custom_claims.len());
        for (name, custom) in &self.custom_claims {
            let value = match custom {
                CustomClaim::Fixed(value) => value.clone(),
                CustomClaim::Template(template) => {
                    template.value(claims).map_err(|missing| (name.as_str(), missing))?
                }
            };
            made.insert(name.clone(), value);
        }
        Ok(made)
    }
}
