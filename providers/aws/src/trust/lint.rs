//! What works and should not.

use carnet_trust::Warning;

use super::{OidcProvider, Role, condition::Condition};

/// Warnings about a role that trusts a provider.
pub fn lint_role(role: &Role, provider: &OidcProvider) -> Vec<Warning> {
    let (arn, issuer) = (provider.arn(), provider.name().to_ascii_lowercase());
    let mut warnings = Vec::new();
    let mut warn = |clause, message: String, fix: String| warnings.push(Warning { clause, message, fix });
    let trusting = role.trust.statements().iter().filter(|one| one.is_allow() && one.names(("Federated", &arn)));
    for statement in trusting {
        let on = |claim: &str| -> Vec<&Condition> {
            let key = format!("{issuer}:{claim}");
            statement.conditions().iter().filter(|condition| condition.key() == key).collect()
        };
        let subject = on("sub");
        if subject.is_empty() {
            warn(
                "subject",
                "every subject of the issuer may become this role".to_owned(),
                format!("add a condition StringEquals on {issuer}:sub"),
            );
        }
        for condition in &subject {
            if condition.operator().contains("Like") && condition.values().any(|text| text.starts_with('*')) {
                warn(
                    "subject",
                    format!(
                        "the subject pattern {} begins with a wildcard",
                        carnet_core::safe_text(&condition.wanted())
                    ),
                    "begin the pattern with what is yours, for instance repo:OWNER/".to_owned(),
                );
            }
            if condition.operator().starts_with("ForAllValues:") || condition.operator().ends_with("IfExists") {
                warn(
                    "subject",
                    format!("{} also holds when the key is absent", condition.operator()),
                    "use the operator without prefix and suffix".to_owned(),
                );
            }
        }
        let open = provider.is_built_in() || provider.client_ids.len() > 1;
        if open && on("aud").is_empty() && on("oaud").is_empty() {
            warn(
                "audience",
                "tokens for any client id of the provider are accepted".to_owned(),
                format!("add a condition StringEquals on {issuer}:aud"),
            );
        }
    }
    warnings
}
