//! Issuers that many tenants share: IAM takes no trust in one of them that does not say whose token it must be.

use carnet_aws::trust::TrustPolicy;

use crate::{reply::ApiError, seed};

/// Issuers, and the claim that must be bound ("Create a role for OpenID Connect federation", identity-provider controls
/// for shared OIDC providers). UNCONFIRMED: the list is longer and grows.
const SHARED: [(&str, &str); 5] = [
    ("token.actions.githubusercontent.com", "sub"),
    ("gitlab.com", "sub"),
    ("app.terraform.io", "sub"),
    ("agent.buildkite.com", "sub"),
    ("oidc.circleci.com", "sub"),
];

/// Refuses a trust policy in which a statement lets any tenant of a shared issuer in.
///
/// # Errors
/// `MalformedPolicyDocument`; the text is ours.
pub(super) fn check(trust: &TrustPolicy) -> Result<(), ApiError> {
    for (issuer, claim) in SHARED {
        let arn = format!("arn:aws:iam::{}:oidc-provider/{issuer}", seed::ACCOUNT);
        let key = format!("{issuer}:{claim}");
        for statement in trust.statements().iter().filter(|one| one.is_allow() && one.names(("Federated", &arn))) {
            let bound = statement.conditions().iter().any(|condition| {
                let operator = condition.operator();
                condition.key() == key
                    && operator.contains("String")
                    && !operator.contains("Not")
                    && !operator.ends_with("IfExists")
                    && condition.wanted().chars().any(|c| !"*?:, ".contains(c))
            });
            if !bound {
                return Err(super::malformed(&format!("Missing required condition for {key}")));
            }
        }
    }
    Ok(())
}
