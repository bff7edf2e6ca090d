//! What works and should not, and what was accepted and never works.

use carnet_trust::Warning;

use super::{FederatedCredential, MatchingExpression, Operator};

/// What there is to say against a credential that could be created.
pub fn lint_credential(credential: &FederatedCredential) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let texts = [
        ("issuer", Some(&credential.issuer)),
        ("subject", credential.subject.as_ref()),
        ("audience", credential.audiences.first()),
    ];
    for (clause, text) in texts.into_iter().filter_map(|(clause, text)| Some((clause, text?))) {
        if text.trim() != text {
            warnings.push(Warning {
                clause,
                message: format!("the {clause} begins or ends with a blank, so no token ever fits"),
                fix: "write it without the blank".to_owned(),
            });
        }
    }
    if let Some(subject) = credential.subject.as_deref().filter(|subject| subject.contains(['*', '?'])) {
        warnings.push(Warning {
            clause: "subject",
            message: format!("{} is compared as it is: a subject has no wildcards", carnet_core::safe_text(subject)),
            fix: "name one subject, or use a claims matching expression".to_owned(),
        });
    }
    if !credential.issuer.trim().starts_with("https://") {
        warnings.push(Warning {
            clause: "issuer",
            message: "the issuer is no https URL, so its keys cannot be fetched".to_owned(),
            fix: "use an issuer with a public https URL".to_owned(),
        });
    }
    warnings.extend(wide(credential));
    warnings
}

/// An expression that lets in more than one owner's tokens.
fn wide(credential: &FederatedCredential) -> Option<Warning> {
    let matching = credential.claims_matching_expression.as_ref()?;
    let expression = MatchingExpression::parse(&matching.value, &credential.issuer).ok()?;
    let bounded = expression
        .conditions()
        .iter()
        .any(|condition| condition.operator == Operator::Eq || !owner(&condition.value).contains(['*', '?']));
    (!bounded).then(|| Warning {
        clause: "subject",
        message: "a wildcard stands where the owner's name is, so tokens of strangers fit".to_owned(),
        fix: "write the organisation out, and the slash after it".to_owned(),
    })
}

/// The part of a subject up to the end of the owner's name: `repo:org/` of `repo:org/repo:ref:…`.
fn owner(pattern: &str) -> &str {
    let after_kind = pattern.find(':').map_or(0, |at| at.saturating_add(1));
    let rest = pattern.get(after_kind..).unwrap_or_default();
    let end = rest.find(['/', ':']).map_or(pattern.len(), |at| after_kind.saturating_add(at));
    pattern.get(..end).unwrap_or(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::ClaimsMatching;

    fn good() -> FederatedCredential {
        FederatedCredential {
            name: "main".to_owned(),
            issuer: "https://token.actions.githubusercontent.com".to_owned(),
            subject: Some("repo:org/repo:ref:refs/heads/main".to_owned()),
            audiences: vec!["api://AzureADTokenExchange".to_owned()],
            ..FederatedCredential::default()
        }
    }

    fn flexible(value: &str) -> FederatedCredential {
        let matching = ClaimsMatching { value: value.to_owned(), language_version: 1 };
        FederatedCredential { subject: None, claims_matching_expression: Some(matching), ..good() }
    }

    #[test]
    fn a_good_credential_has_no_warning() {
        assert_eq!(lint_credential(&good()), []);
        assert_eq!(lint_credential(&flexible("claims['sub'] matches 'repo:org/*'")), []);
    }

    #[test]
    fn a_blank_is_seen() {
        let mut bent = good();
        bent.issuer.push(' ');
        assert_eq!(lint_credential(&bent)[0].clause, "issuer");
    }

    #[test]
    fn a_wildcard_in_a_plain_subject_is_seen() {
        let bent = FederatedCredential { subject: Some("repo:org/*".to_owned()), ..good() };
        assert!(lint_credential(&bent)[0].message.contains("no wildcards"));
    }

    #[test]
    fn an_issuer_without_https_is_seen() {
        let bent = FederatedCredential { issuer: "http://issuer.example".to_owned(), ..good() };
        assert!(lint_credential(&bent)[0].message.contains("https"));
    }

    #[test]
    fn an_expression_for_everybody_is_seen() {
        for value in
            ["claims['sub'] matches '*'", "claims['sub'] matches 'repo:org*'", "claims['sub'] matches 'repo:?rg/a'"]
        {
            assert!(lint_credential(&flexible(value))[0].message.contains("strangers"), "{value}");
        }
        assert_eq!(
            lint_credential(&flexible("claims['sub'] matches '*' and claims['job_workflow_ref'] eq 'org/a'")),
            []
        );
    }
}
