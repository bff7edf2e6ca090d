//! All policies of one token together.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Map, Value};

use super::{Capability, Entity, Pattern, Policy, Rules, parameters, template};

/// What a request does, as policies see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Write where nothing is.
    Create,
    /// Read.
    Read,
    /// Write where something is, or to a path without things, such as a login or a renewal.
    Update,
    /// Change a part.
    Patch,
    /// Take away.
    Delete,
    /// Names below a path.
    List,
    /// Names below a path, at any depth (`OpenBao`).
    Scan,
    /// `?help=1`, which is always allowed.
    Help,
}

impl Operation {
    /// What it needs; help needs nothing.
    pub const fn capability(self) -> Option<Capability> {
        match self {
            Self::Create => Some(Capability::Create),
            Self::Read => Some(Capability::Read),
            Self::Update => Some(Capability::Update),
            Self::Patch => Some(Capability::Patch),
            Self::Delete => Some(Capability::Delete),
            Self::List => Some(Capability::List),
            Self::Scan => Some(Capability::Scan),
            Self::Help => None,
        }
    }

    const fn lists(self) -> bool {
        matches!(self, Self::List | Self::Scan)
    }

    const fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Patch)
    }
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What it does.
    pub operation: Operation,
    /// The path after `/v1/` and namespace; that of a list ends in a slash.
    pub path: &'a str,
    /// The parameters that it carries.
    pub body: &'a Map<String, Value>,
    /// How long it asks the answer to be wrapped.
    pub wrap_ttl: Option<SignedDuration>,
    /// Whether the path is a root path.
    pub needs_sudo: bool,
}

/// Why a request may not be. The caller learns only "permission denied".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The rule that failed: `path`, `deny`, `capabilities`, `sudo`, `required_parameters`, `min_wrapping_ttl` …
    pub rule: &'static str,
    /// The pattern that decided, if one matched.
    pub pattern: Option<String>,
}

/// What the policies of a token say together.
#[derive(Clone, Debug, Default)]
pub struct Acl {
    root: bool,
    exact: BTreeMap<String, Rules>,
    /// By pattern as written.
    others: BTreeMap<String, (Pattern, Rules)>,
}

impl Acl {
    /// Everything is allowed.
    pub fn root() -> Self {
        Self { root: true, ..Self::default() }
    }

    /// These policies together, for a token of this entity. A block whose template cannot be filled in is dropped.
    pub fn new<'a>(policies: impl IntoIterator<Item = &'a Policy>, entity: Option<&Entity>) -> Self {
        let mut acl = Self::default();
        for block in policies.into_iter().flat_map(|policy| &policy.blocks) {
            let Some(path) = template::fill(&block.path, entity) else { continue };
            let Ok(pattern) = Pattern::new(&path) else { continue };
            if pattern.is_exact() {
                let rules = acl.exact.entry(pattern.text().to_owned());
                rules.and_modify(|rules| rules.merge(&block.rules)).or_insert_with(|| block.rules.clone());
            } else {
                let entry = acl.others.entry(path);
                entry
                    .and_modify(|(_, rules)| rules.merge(&block.rules))
                    .or_insert_with(|| (pattern, block.rules.clone()));
            }
        }
        acl
    }

    /// Whether it is that of a root token.
    pub fn is_root(&self) -> bool {
        self.root
    }

    /// Whether the request may be.
    ///
    /// # Errors
    /// The rule that says no.
    pub fn check(&self, question: &Question<'_>) -> Result<(), Denied> {
        if self.root {
            return Ok(());
        }
        let Some(wanted) = question.operation.capability() else { return Ok(()) };
        let Some((pattern, rules)) = self.deciding(question.path, question.operation.lists()) else {
            return Err(Denied { rule: "path", pattern: None });
        };
        let denied = |rule| Err(Denied { rule, pattern: Some(pattern.to_owned()) });
        if rules.denies() {
            return denied("deny");
        }
        if !rules.capabilities.contains(&wanted) {
            return denied("capabilities");
        }
        if question.needs_sudo && !rules.capabilities.contains(&Capability::Sudo) {
            return denied("sudo");
        }
        let wrap = question.wrap_ttl;
        if rules.max_wrapping_ttl.is_some_and(|most| wrap.is_none_or(|wrap| wrap > most)) {
            return denied("max_wrapping_ttl");
        }
        if rules.min_wrapping_ttl.is_some_and(|least| wrap.is_none_or(|wrap| wrap < least)) {
            return denied("min_wrapping_ttl");
        }
        if question.operation.writes()
            && let Err(rule) = parameters::check(rules, question.body)
        {
            return denied(rule);
        }
        Ok(())
    }

    /// Whether `sudo` is granted on this path.
    pub fn has_sudo(&self, path: &str) -> bool {
        let grants = |rules: &Rules| !rules.denies() && rules.capabilities.contains(&Capability::Sudo);
        self.root || self.deciding(path, false).is_some_and(|(_, rules)| grants(rules))
    }

    /// What `sys/capabilities` says of a path: names in alphabetical order, `["deny"]` for nothing, `["root"]` for everything.
    pub fn capabilities(&self, path: &str) -> Vec<&'static str> {
        if self.root {
            return vec!["root"];
        }
        match self.deciding(path, path.ends_with('/')) {
            Some((_, rules)) if !rules.denies() && !rules.capabilities.is_empty() => {
                rules.capabilities.iter().map(|capability| capability.name()).collect()
            }
            _ => vec!["deny"],
        }
    }

    /// Whether something is granted on this path or on any below it: who may know that a mount is there.
    pub fn reaches(&self, prefix: &str) -> bool {
        let grants = |rules: &Rules| !rules.denies() && !rules.capabilities.is_empty();
        self.root
            || self.exact.iter().any(|(path, rules)| path.starts_with(prefix) && grants(rules))
            || self.others.values().any(|(pattern, rules)| {
                let fixed = pattern.text().split('+').next().unwrap_or_default();
                grants(rules) && (fixed.starts_with(prefix) || prefix.starts_with(fixed))
            })
    }

    /// The one pattern that decides about a path: the exact one; for a list the exact one without its last slash; else the
    /// one of the highest priority.
    fn deciding(&self, path: &str, lists: bool) -> Option<(&str, &Rules)> {
        let exact = self.exact.get_key_value(path);
        let without_slash = || self.exact.get_key_value(path.strip_suffix('/').filter(|_| lists)?);
        if let Some((path, rules)) = exact.or_else(without_slash) {
            return Some((path, rules));
        }
        let matching = self.others.iter().filter(|(_, (pattern, _))| pattern.matches(path));
        let (written, (_, rules)) = matching.max_by(|(_, (one, _)), (_, (other, _))| one.compare_priority(other))?;
        Some((written, rules))
    }
}
