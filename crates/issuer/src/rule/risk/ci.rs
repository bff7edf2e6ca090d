//! What a CI system's own words are about a rule for its jobs.
//!
//! None of it makes the rule one that strangers match, and a condition may narrow what is not seen here: it is told, and not refused.

use std::collections::BTreeMap;

use carnet_ci::{CiTrust, lint};
use carnet_core::Mistake;
use carnet_trust::Warning;
use serde_json::Value;

use super::Rule;

/// What tokens are for when the rule does not say: the URL of the authority, whatever it is. Nobody puts it in by default.
const OURS: &str = "https://authority.invalid";

/// What works and should not. Empty for issuers of no CI system that is known.
pub(crate) fn warnings(rule: &Rule) -> Vec<Mistake> {
    let claims: BTreeMap<&str, Vec<String>> =
        rule.claims.iter().map(|(name, value)| (name.as_str(), texts(value))).collect();
    // A wildcard that crosses separators is no narrower than one that does not.
    let subject = rule.subject.as_ref().map(|subject| subject.replace("**", "*"));
    let trust = CiTrust {
        issuer: &rule.issuer,
        audiences: match rule.expected_audiences.as_slice() {
            [] => vec![OURS],
            expected => expected.iter().map(String::as_str).collect(),
        },
        subject: subject.as_deref(),
        claims: claims.iter().map(|(name, values)| (*name, values.iter().map(String::as_str).collect())).collect(),
    };
    lint(&trust).into_iter().map(told).collect()
}

fn told(Warning { clause, message, fix }: Warning) -> Mistake {
    let field = if clause == "audience" { "expected_audiences" } else { clause };
    Mistake::new(field, message).hint(fix)
}

/// The values of which one will do, as a token has them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GITHUB: &str = "https://token.actions.githubusercontent.com";

    fn said(members: &Value) -> Vec<(String, String)> {
        let mut rule = json!({ "name": "r", "issuer": GITHUB });
        rule.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let rule: Rule = serde_json::from_value(rule).unwrap();
        warnings(&rule).into_iter().map(|mistake| (mistake.field, mistake.message)).collect()
    }

    #[test]
    fn a_rule_for_one_branch_by_ids_has_nothing_to_be_told() {
        let claims =
            json!({ "repository_id": 7, "ref": "refs/heads/main", "event_name": ["push", "workflow_dispatch"] });
        assert!(said(&json!({ "claims": claims })).is_empty());
        let claims = json!({ "project_id": "7", "ref_protected": true });
        assert!(said(&json!({ "issuer": "https://gitlab.com", "claims": claims })).is_empty());
    }

    #[test]
    fn an_owner_that_binds_the_tenant_is_not_everybody() {
        for (issuer, members) in [
            ("https://gitlab.com", json!({ "subject": "project_path:group/*:ref_type:branch:ref:main" })),
            ("https://gitlab.com", json!({ "subject": "project_path:group/**" })),
            ("https://gitlab.com", json!({ "claims": { "namespace_path": "group" } })),
            ("https://accounts.google.com", json!({ "claims": { "hd": "example.org" } })),
            ("https://accounts.google.com", json!({ "claims": { "email": "a@example.org" } })),
            (GITHUB, json!({ "subject": "repo:org/**" })),
            (GITHUB, json!({ "claims": { "enterprise": "e" } })),
            ("https://agent.buildkite.com", json!({ "subject": "organization:o:**" })),
            ("https://app.terraform.io", json!({ "subject": "organization:o:**" })),
            ("https://app.terraform.io", json!({ "claims": { "terraform_project_id": "p" } })),
            ("https://oidc.circleci.com", json!({ "subject": "org/o/**" })),
        ] {
            let mut rule = members.clone();
            rule["issuer"] = json!(issuer);
            let everybody = |(_, message): &(String, String)| message.starts_with("everybody");
            assert!(!said(&rule).iter().any(everybody), "{issuer} {members}: {:?}", said(&rule));
        }
        let stranger =
            said(&json!({ "issuer": "https://gitlab.com", "subject": "project_path:*:ref_type:branch:ref:main" }));
        assert!(stranger.iter().any(|(_, message)| message.starts_with("everybody")), "{stranger:?}");
    }

    #[test]
    fn nothing_is_told_of_other_issuers() {
        assert!(said(&json!({ "issuer": "https://issuer.example", "subject": "a" })).is_empty());
    }

    #[test]
    fn the_ci_system_says_what_could_happen() {
        for (members, field, part) in [
            (
                json!({ "subject": "repo:org/app:*", "claims": { "repository_id": "7" } }),
                "subject",
                "every branch and every pull request",
            ),
            (
                json!({ "subject": "repo:org/app:**", "claims": { "repository_id": "7" } }),
                "subject",
                "every branch and every pull request",
            ),
            (
                json!({ "subject": "repo:org/app:pull_request", "claims": { "repository_id": "7" } }),
                "subject",
                "it is for pull requests",
            ),
            (json!({ "subject": "repo:org/app:ref:refs/heads/main" }), "subject", "is a name"),
            (
                json!({ "claims": { "repository_id": "7", "environment": "production" }, "expected_audiences": ["https://github.com/org"] }),
                "expected_audiences",
                "puts when nobody asks",
            ),
        ] {
            let said = said(&members);
            assert!(said.iter().any(|(at, message)| at == field && message.contains(part)), "{members}: {said:?}");
        }
    }
}
