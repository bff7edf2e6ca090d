//! Access policies: what a token may do with a path.
//!
//! Pure: text in, [`Acl`] out, one question at a time. The grammar and the order of priority are those of
//! <https://developer.hashicorp.com/vault/docs/concepts/policies>; the order of the checks of parameters was read in
//! `OpenBao`'s `vault/acl.go` (2.6).

mod acl;
mod hcl;
mod parameters;
mod parse;
mod pattern;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde_json::Value;

pub use acl::{Acl, Denied, Operation, Question};
pub use parse::{PolicyMistake, parse_policy};
pub use pattern::Pattern;
pub use template::{Alias, Entity};

/// What may be done. The order is that in which `sys/capabilities-self` lists them (by name).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Write where nothing is.
    Create,
    /// Take away.
    Delete,
    /// Nothing at all; wins over every other.
    Deny,
    /// Names below a path.
    List,
    /// Change a part.
    Patch,
    /// Read.
    Read,
    /// Names below a path, at any depth (`OpenBao`).
    Scan,
    /// Root paths, beside the ordinary capability.
    Sudo,
    /// Write where something is.
    Update,
}

impl Capability {
    const ALL: [Self; 9] = [
        Self::Create,
        Self::Delete,
        Self::Deny,
        Self::List,
        Self::Patch,
        Self::Read,
        Self::Scan,
        Self::Sudo,
        Self::Update,
    ];

    /// Its name in a policy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Deny => "deny",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Read => "read",
            Self::Scan => "scan",
            Self::Sudo => "sudo",
            Self::Update => "update",
        }
    }

    /// The capability of this name. Names compare with case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.name() == name)
    }
}

/// One policy: its blocks, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// The blocks, whose patterns may still hold templates.
    pub blocks: Vec<Block>,
}

/// One `path` block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// The path as it was written, without a leading slash, templates not filled in.
    pub path: String,
    /// What it grants or denies.
    pub rules: Rules,
}

/// What a block, or several of the same pattern, say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// What may be done. With [`Capability::Deny`] there is no other.
    pub capabilities: BTreeSet<Capability>,
    /// Parameters that may be sent, by lower-case name, with the values that they may have; an empty list is any value.
    pub allowed: BTreeMap<String, Vec<Value>>,
    /// Parameters that may not be sent.
    pub denied: BTreeMap<String, Vec<Value>>,
    /// Parameters that must be sent.
    pub required: BTreeSet<String>,
    /// Shortest wrapping; wrapping is then mandatory.
    pub min_wrapping_ttl: Option<SignedDuration>,
    /// Longest wrapping; wrapping is then mandatory.
    pub max_wrapping_ttl: Option<SignedDuration>,
}

impl Rules {
    /// Adds what another policy says of the same pattern: union of capabilities, except that `deny` in any of them wins;
    /// parameter lists merge; the smaller wrapping time wins.
    fn merge(&mut self, other: &Self) {
        if self.denies() {
            return;
        }
        if other.denies() {
            *self = other.clone();
            return;
        }
        self.capabilities.extend(&other.capabilities);
        merge_parameters(&mut self.allowed, &other.allowed);
        merge_parameters(&mut self.denied, &other.denied);
        self.required.extend(other.required.iter().cloned());
        self.min_wrapping_ttl = smaller(self.min_wrapping_ttl, other.min_wrapping_ttl);
        self.max_wrapping_ttl = smaller(self.max_wrapping_ttl, other.max_wrapping_ttl);
    }

    fn denies(&self) -> bool {
        self.capabilities.contains(&Capability::Deny)
    }
}

fn merge_parameters(into: &mut BTreeMap<String, Vec<Value>>, from: &BTreeMap<String, Vec<Value>>) {
    for (name, values) in from {
        match into.get_mut(name) {
            None => {
                into.insert(name.clone(), values.clone());
            }
            // An empty list is any value, and stays that.
            Some(own) if own.is_empty() || values.is_empty() => own.clear(),
            Some(own) => own.extend(values.iter().cloned()),
        }
    }
}

fn smaller(one: Option<SignedDuration>, other: Option<SignedDuration>) -> Option<SignedDuration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
