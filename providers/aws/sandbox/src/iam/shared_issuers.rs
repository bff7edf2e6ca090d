//! Issuers that many tenants share: IAM takes no trust in one of them that does not say whose token it must be.

use carnet_aws::trust::{Condition, Statement, TrustPolicy};

use crate::{policy::malformed, reply::ApiError, seed};

/// Issuers, and the claim that must be bound ("Create a role for OpenID Connect federation", identity-provider controls
/// for shared OIDC providers). UNCONFIRMED: the list is longer and grows.
const SHARED: [(&str, &str); 5] = [
    ("token.actions.githubusercontent.com", "sub"),
    ("gitlab.com", "sub"),
    ("app.terraform.io", "sub"),
    ("agent.buildkite.com", "sub"),
    ("oidc.circleci.com", "sub"),
];

/// How trust policies name Google's provider, which every account has. UNCONFIRMED that IAM wants it bound.
const BUILT_IN: &str = "accounts.google.com";

/// Refuses a trust policy in which a statement lets any tenant of a shared issuer in.
///
/// # Errors
/// `MalformedPolicyDocument`; the text is ours.
pub(super) fn check(trust: &TrustPolicy) -> Result<(), ApiError> {
    for (issuer, claim) in SHARED {
        let arn = format!("arn:aws:iam::{}:oidc-provider/{issuer}", seed::ACCOUNT);
        let key = format!("{issuer}:{claim}");
        for statement in trust.statements().iter().filter(|one| one.is_allow() && one.names(("Federated", &arn))) {
            if !statement.conditions().iter().any(|condition| condition.key() == key && binds(condition)) {
                return Err(malformed(
                    &format!("Missing required condition for {key}"),
                    "a trust that lets every tenant in",
                ));
            }
        }
    }
    check_built_in(trust)
}

/// Google's provider is everybody's: a trust in it names subject or audience, exactly.
fn check_built_in(trust: &TrustPolicy) -> Result<(), ApiError> {
    let keys = ["sub", "aud", "oaud"].map(|claim| format!("{BUILT_IN}:{claim}"));
    let exact = |condition: &Condition| {
        let plain = ["StringEquals", "StringEqualsIgnoreCase"].contains(&condition.operator());
        plain && keys.iter().any(|key| key == condition.key()) && binds(condition)
    };
    let naming = |one: &&Statement| one.is_allow() && one.names(("Federated", BUILT_IN));
    if trust.statements().iter().filter(naming).all(|one| one.conditions().iter().any(exact)) {
        return Ok(());
    }
    Err(malformed(&format!("Missing required condition for {BUILT_IN}:aud"), "a trust that lets every client in"))
}

/// Whether a condition on the subject leaves one tenant, or some that are named. Its values are alternatives, so each of
/// them must. UNCONFIRMED: the guide asks for a value that is no mere wildcard and does not say how a list is looked at.
fn binds(condition: &Condition) -> bool {
    let operator = condition.operator();
    let name = operator.strip_prefix("ForAnyValue:").unwrap_or(operator);
    match name {
        "StringEquals" | "StringEqualsIgnoreCase" => {
            condition.values().all(|value| !value.is_empty() && !value.contains("${"))
        }
        "StringLike" => condition.values().all(names_tenant),
        // The others hold for strangers, or for tokens without the claim.
        _ => false,
    }
}

/// Whether a pattern writes the tenant out, and what ends its name: `repo:OWNER/*`, `project_path:GROUP/*`,
/// `organization:NAME:*`. `repo:org*` would be `repo:organisation/…` as well.
fn names_tenant(pattern: &str) -> bool {
    let mut parts = pattern.split([':', '/']);
    let fixed = |part: Option<&str>| part.is_some_and(|part| !part.is_empty() && !part.contains(['*', '?', '$']));
    fixed(parts.next()) && fixed(parts.next())
}
