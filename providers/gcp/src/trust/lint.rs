//! What works and should not.

use carnet_trust::{Expression, Warning};

use super::{Member, Oidc, Policy, Provider, check};

/// OCI's default issuer, which all identity domains share unless they are told otherwise.
const OCI_SHARED_ISSUER: &str = "https://identity.oraclecloud.com/";

/// Claims that are names, and the claims that are their immutable ids: who gives up a name may see it taken.
const NAMES: [(&str, &str); 4] = [
    ("assertion.namespace_path", "assertion.namespace_id"),
    ("assertion.project_path", "assertion.project_id"),
    ("assertion.repository", "assertion.repository_id"),
    ("assertion.repository_owner", "assertion.repository_owner_id"),
];

/// What there is to say against a provider that works.
pub fn lint_provider(provider: &Provider) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let condition = provider.attribute_condition.as_str();
    if condition.is_empty()
        && let Some(Oidc { issuer_uri: issuer, jwks_json: None, .. }) = &provider.oidc
        && (check::is_shared(issuer) || issuer == OCI_SHARED_ISSUER)
    {
        warnings.push(Warning {
            clause: "condition",
            message: format!("every customer of {issuer} gets a principal of this pool"),
            fix: "add an attribute condition on an immutable id of yours, or upload the keys of your own domain"
                .to_owned(),
        });
    }
    for (name, id) in NAMES {
        if names_claim(condition, name) {
            warnings.push(Warning {
                clause: "condition",
                message: format!("`{name}` is a name: whoever registers it after you gets in"),
                fix: format!("compare `{id}` instead"),
            });
        }
    }
    for (key, source) in &provider.attribute_mapping {
        if Expression::compile(source).is_ok_and(|expression| expression.is_boolean()) {
            warnings.push(Warning {
                clause: "mapping",
                message: format!("`{key}` is mapped to a BOOL, so every exchange will fail"),
                fix: "map a text, and move the comparison into the attribute condition".to_owned(),
            });
        }
    }
    warnings
}

/// What there is to say against the members of a policy.
pub fn lint_policy(policy: &Policy) -> Vec<Warning> {
    let members = policy.bindings.iter().flat_map(|binding| &binding.members);
    members.filter_map(|member| Member::parse(member).ok()).flat_map(|member| lint_member(&member)).collect()
}

/// What there is to say against one member.
pub(super) fn lint_member(member: &Member) -> Vec<Warning> {
    let (message, fix) = match member {
        Member::Pool(pool) => (
            format!("every identity that any provider of {pool} accepts has this role"),
            "name a subject, a group or an attribute instead of `*`",
        ),
        Member::AllUsers | Member::AllAuthenticatedUsers => {
            (format!("{member} has this role"), "name the principals that need it")
        }
        _ => return Vec::new(),
    };
    vec![Warning { clause: "member", message, fix: fix.to_owned() }]
}

/// Whether an expression reads exactly this claim, not one whose name only begins like it.
fn names_claim(expression: &str, claim: &str) -> bool {
    expression.match_indices(claim).any(|(at, _)| {
        let after = expression.get(at.saturating_add(claim.len())..).unwrap_or_default();
        !after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
    })
}
