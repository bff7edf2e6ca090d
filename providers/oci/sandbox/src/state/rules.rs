//! Compartments and policies.

use std::collections::BTreeMap;

use carnet_core::safe_text;
use carnet_oci::trust::{
    condition::SyntaxError,
    policy::{Compartments, Membership, Policy, lint, parse_statement, refuse},
};
use jiff::Timestamp;

use crate::seed;

/// Compartments and policies, each by OCID, with their parsed forms beside them.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) compartments: BTreeMap<String, Compartment>,
    policies: BTreeMap<String, StoredPolicy>,
    parsed: Vec<Policy>,
    tree: Compartments,
}

/// A compartment.
#[derive(Clone, Debug)]
pub(crate) struct Compartment {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    /// `None` for the tenancy.
    pub(crate) parent: Option<String>,
    pub(crate) time_created: Timestamp,
}

/// A policy as it was written.
#[derive(Clone, Debug)]
pub(crate) struct StoredPolicy {
    pub(crate) id: String,
    pub(crate) compartment: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) statements: Vec<String>,
    pub(crate) time_created: Timestamp,
}

impl Rules {
    pub(super) fn seeded(now: Timestamp) -> Self {
        let mut rules = Self::default();
        rules.add_compartment(Compartment {
            id: seed::TENANCY.to_owned(),
            name: seed::TENANCY_NAME.to_owned(),
            description: "The root compartment".to_owned(),
            parent: None,
            time_created: now,
        });
        rules.add_compartment(Compartment {
            id: seed::COMPARTMENT.to_owned(),
            name: seed::COMPARTMENT_NAME.to_owned(),
            description: "For pipelines".to_owned(),
            parent: Some(seed::TENANCY.to_owned()),
            time_created: now,
        });
        for (at, (name, statements)) in seed::POLICIES.into_iter().enumerate() {
            let policy = StoredPolicy {
                id: format!("ocid1.policy.oc1..aaaaaaaacarnetsandboxpolicy{at:028}"),
                compartment: seed::TENANCY.to_owned(),
                name: name.to_owned(),
                description: "Part of the sandbox".to_owned(),
                statements: statements.iter().map(|text| (*text).to_owned()).collect(),
                time_created: now,
            };
            if let Err((at, error)) = rules.add_policy(policy) {
                tracing::error!(policy = name, statement = at, %error, "a policy of the seed is malformed");
            }
        }
        rules
    }

    fn add_compartment(&mut self, compartment: Compartment) {
        self.tree.0.insert(compartment.id.clone(), (compartment.name.clone(), compartment.parent.clone()));
        self.compartments.insert(compartment.id.clone(), compartment);
    }

    /// Adds a policy whose statements all parse.
    ///
    /// # Errors
    /// Which statement (counted from 0) is malformed, and where.
    pub(crate) fn add_policy(&mut self, policy: StoredPolicy) -> Result<(), (usize, SyntaxError)> {
        let statements = policy
            .statements
            .iter()
            .enumerate()
            .map(|(at, text)| parse_statement(text).map_err(|error| (at, error)))
            .collect::<Result<Vec<_>, _>>()?;
        self.parsed.push(Policy { name: policy.name.clone(), compartment: policy.compartment.clone(), statements });
        self.policies.insert(policy.id.clone(), policy);
        Ok(())
    }

    /// Refuses a policy with a statement that the tenancy does not take.
    ///
    /// # Errors
    /// Which statement (counted from 0), and why.
    pub(crate) fn check_policy(&self, policy: &StoredPolicy, groups: &[Membership]) -> Result<(), (usize, String)> {
        for (at, text) in policy.statements.iter().enumerate() {
            let statement = parse_statement(text).map_err(|error| (at, error.to_string()))?;
            if let Some(why) = refuse(&statement, &policy.compartment, &self.tree, groups) {
                return Err((at, why));
            }
            for warning in lint(&statement) {
                let (message, fix) = (safe_text(&warning.message), safe_text(&warning.fix));
                tracing::warn!(policy = safe_text(&policy.name), statement = at, %fix, "{message}");
            }
        }
        Ok(())
    }

    /// Takes a policy away.
    pub(crate) fn remove_policy(&mut self, id: &str) -> Option<StoredPolicy> {
        let removed = self.policies.remove(id)?;
        self.parsed.retain(|policy| (&policy.name, &policy.compartment) != (&removed.name, &removed.compartment));
        Some(removed)
    }

    /// The policies as they were written, by OCID.
    pub(crate) fn policies(&self) -> &BTreeMap<String, StoredPolicy> {
        &self.policies
    }

    /// The policies for evaluating.
    pub(crate) fn parsed(&self) -> &[Policy] {
        &self.parsed
    }

    /// The compartments for evaluating.
    pub(crate) fn tree(&self) -> &Compartments {
        &self.tree
    }
}
