//! What is taken of rules and should not be.

use carnet_core::Mistake;
use carnet_issuer::{Rule, RuleSet};

use super::{Ground, Rules};

impl Rules {
    /// What a rule's networks come to where all callers have one address.
    pub(crate) fn told_of_networks(&self, rule: &Rule) -> Option<Mistake> {
        self.ground.told_of_networks(rule)
    }
}

impl Ground {
    fn told_of_networks(&self, rule: &Rule) -> Option<Mistake> {
        if !self.unnamed_callers || rule.networks.is_empty() {
            return None;
        }
        let message = "callers come by a proxy that is not believed when it names them, so all have the proxy's address: where that is in these networks \
                       everybody is inside, and otherwise nobody";
        let hint = "name the proxy in `trusted_proxies` of `[authority.listen]`";
        Some(Mistake::new("networks", message).hint(hint))
    }
}

/// All of it, in the order of the rules' names.
pub(super) fn warnings(set: &RuleSet, ground: &Ground) -> Vec<Mistake> {
    let of_networks = set.rules().filter_map(|rule| Some((rule.name.as_str(), ground.told_of_networks(rule)?)));
    let of_rules = set.warnings().map(|(name, warning)| (name, warning.clone()));
    let mut found: Vec<(&str, Mistake)> = of_rules.chain(of_networks).collect();
    found.sort_by_key(|(name, _)| *name);
    let named = |(name, warning): (&str, Mistake)| {
        let field = format!("rule `{name}` {}", warning.field);
        Mistake { field, ..warning }
    };
    found.into_iter().map(named).collect()
}

pub(super) fn warn(set: &RuleSet, ground: &Ground) {
    for Mistake { field, message, hint, .. } in warnings(set, ground) {
        tracing::warn!(hint, "{field}: {message}");
    }
}
