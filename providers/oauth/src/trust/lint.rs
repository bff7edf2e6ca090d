//! What works and should not.

use carnet_trust::Warning;

use super::Trust;

/// Issuers that sign for everybody: without a condition, any of their customers gets in.
const SHARED_ISSUERS: [&str; 3] =
    ["https://app.terraform.io", "https://gitlab.com", "https://token.actions.githubusercontent.com"];

/// What could happen with this trust.
pub fn lint(trust: &Trust) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let any = |text: &String| text.chars().all(|character| character == '*');
    let open_subject = trust.subject.as_ref().is_none_or(any);
    let bound = trust.claims.values().any(|values| !values.is_empty() && !values.iter().any(any));
    if open_subject && !bound {
        let who = if SHARED_ISSUERS.contains(&trust.issuer.as_str()) {
            "every customer of the issuer, whose tokens are for everybody,"
        } else {
            "every workload of the issuer"
        };
        warnings.push(Warning {
            clause: "subject",
            message: format!("{who} becomes {}", trust.principal),
            fix: "name the subject, or a claim with an immutable id such as `repository_id`".to_owned(),
        });
    }
    if trust.audiences.iter().any(any) {
        warnings.push(Warning {
            clause: "audience",
            message: "tokens that were made for other services are accepted".to_owned(),
            fix: "name one audience that is used for nothing else".to_owned(),
        });
    }
    warnings
}
