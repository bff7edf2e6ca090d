//! What a trust allows and should not.

use carnet_trust::Warning;

use super::{PropagationTrust, Rule, RuleOperator, SubjectType};

/// Issuers whose tokens anybody in the world can get: a trust that does not tie the token to its own organisation
/// lets strangers in.
const SHARED_ISSUERS: &[&str] = &[
    "https://accounts.google.com",
    "https://agent.buildkite.com",
    "https://api.bitbucket.org",
    "https://app.terraform.io",
    "https://gitlab.com",
    "https://token.actions.githubusercontent.com",
];

/// Characters after which a claim of CI systems goes on with a part that the prefix has not fixed.
const SEPARATORS: &[char] = &['/', ':', '|', '@', '.', '#'];

pub(super) fn warnings(trust: &PropagationTrust) -> Vec<Warning> {
    let mut warnings = Vec::new();
    audience(trust, &mut warnings);
    rules(trust, &mut warnings);
    resource(trust, &mut warnings);
    warnings
}

fn audience(trust: &PropagationTrust, warnings: &mut Vec<Warning>) {
    if trust.client_claim_name.is_none() {
        warnings.push(Warning {
            clause: "audience",
            message: "the audience is not checked: a token that was made for another service is accepted".to_owned(),
            fix: "set clientClaimName to aud and clientClaimValues to the audience of your own".to_owned(),
        });
    }
}

fn rules(trust: &PropagationTrust, warnings: &mut Vec<Warning>) {
    if !trust.allow_impersonation || trust.subject_type != SubjectType::User {
        return;
    }
    let mut caught_all = false;
    for entry in &trust.impersonation_service_users {
        let Ok(rule) = Rule::parse(&entry.rule) else { continue };
        if caught_all {
            warnings.push(warning(
                format!("rule {:?} is never reached: a rule before it matches every token", entry.rule),
                "put the narrow rules first",
            ));
        }
        if rule.operator() == RuleOperator::Contains {
            warnings.push(warning(
                format!(
                    "rule {:?} matches the text anywhere in the claim, also in a name that somebody else chose",
                    entry.rule
                ),
                "use eq with the whole value, or with a prefix that ends in a separator",
            ));
        }
        if rule.matches_everything() {
            caught_all = true;
            warnings.push(catch_all(trust, &entry.rule));
        } else if rule.prefix().is_some_and(|prefix| !prefix.ends_with(SEPARATORS)) {
            warnings.push(warning(
                format!("rule {:?} also matches longer names that begin the same way", entry.rule),
                "end the prefix with the separator, for instance repo:org/app:*",
            ));
        }
    }
}

fn catch_all(trust: &PropagationTrust, rule: &str) -> Warning {
    if is_shared(trust) && !is_narrowed(trust) {
        return warning(
            format!(
                "rule {rule:?} lets every token of {} in, whoever it was issued to: this issuer serves the whole world",
                trust.issuer
            ),
            "compare sub with your own organisation, or add claimValidations",
        );
    }
    warning(format!("rule {rule:?} lets every token of {} in", trust.issuer), "compare sub with the workload's own")
}

fn resource(trust: &PropagationTrust, warnings: &mut Vec<Warning>) {
    if trust.subject_type == SubjectType::Resource && is_shared(trust) && trust.claim_validations.is_empty() {
        warnings.push(Warning {
            clause: "claim-validation",
            message: format!(
                "every token of {} becomes a principal of the tenancy, whoever it was issued to",
                trust.issuer
            ),
            fix: "add claimValidations for the organisation, and name ext_ claims in every policy".to_owned(),
        });
    }
}

fn is_shared(trust: &PropagationTrust) -> bool {
    SHARED_ISSUERS.contains(&trust.issuer.trim_end_matches('/'))
}

fn is_narrowed(trust: &PropagationTrust) -> bool {
    !trust.claim_validations.is_empty()
}

fn warning(message: String, fix: &str) -> Warning {
    Warning { clause: "subject", message, fix: fix.to_owned() }
}
