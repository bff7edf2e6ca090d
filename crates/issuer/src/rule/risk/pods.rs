//! What is dangerous about rules for pods of Kubernetes clusters.

use carnet_core::Mistake;
use serde_json::Value;

use super::{KUBERNETES, Rule, pins, risk};
use crate::rule::{compiled::Compiled, pattern::Pattern};

/// What the subject of a service account begins with; behind it stand namespace and name.
const ACCOUNT: &str = "system:serviceaccount:";
/// Claims of which one says in which namespace it is, or which one account or pod of all namespaces. The second is of tokens before Kubernetes 1.24.
const BINDING: [&str; 4] = [
    "kubernetes.io/namespace",
    "kubernetes.io/serviceaccount/namespace",
    "kubernetes.io/serviceaccount/uid",
    "kubernetes.io/pod/uid",
];

/// Whether the claim `sub` is written out, with a namespace in each of its values.
fn names_an_account(rule: &Rule) -> bool {
    let is_whole = |value: &Value| {
        let rest = value.as_str().and_then(|text| text.strip_prefix(ACCOUNT)?.split_once(':'));
        rest.is_some_and(|(namespace, name)| !namespace.is_empty() && !namespace.contains('*') && !name.is_empty())
    };
    match rule.claims.get("sub") {
        Some(Value::Array(values)) => !values.is_empty() && values.iter().all(is_whole),
        Some(value) => is_whole(value),
        None => false,
    }
}

/// Every namespace may have an account of any name, and whoever may make pods in one gets its tokens. Whose namespace it is the cluster decides.
pub(super) fn risks(rule: &Rule, compiled: &Compiled, risks: &mut Vec<Mistake>) {
    let beginning = compiled.subject.as_ref().map(Pattern::prefix).unwrap_or_default();
    let by_subject =
        beginning.starts_with(ACCOUNT) || (beginning.starts_with("system:") && ACCOUNT.starts_with(beginning));
    let claim = rule.claims.keys().find(|name| name.starts_with(KUBERNETES));
    let said = |part: &str| rule.condition.as_ref().is_some_and(|condition| condition.contains(part));
    let field = match claim {
        _ if by_subject => "subject",
        Some(_) => "claims",
        None if said("kubernetes.io") || said(ACCOUNT) => "condition",
        None => return,
    };
    // The separator behind the namespace is literal, too: `system:serviceaccount:shop*` would be `shop-of-somebody-else`.
    let named = beginning
        .strip_prefix(ACCOUNT)
        .and_then(|rest| rest.split_once(':'))
        .is_some_and(|(namespace, _)| !namespace.is_empty());
    let by_claim = BINDING.iter().any(|name| pins(rule, name)) || names_an_account(rule);
    if named || by_claim || risks.iter().any(|known| known.field == field) {
        return;
    }
    let message = "it names no namespace: whoever may make pods in any namespace of the cluster would match";
    let hint = "pin the claim kubernetes.io/namespace, or let the subject begin with system:serviceaccount:NAMESPACE: \
                (a condition in CEL can only narrow that further)";
    risks.push(risk(field, message, hint));
}
