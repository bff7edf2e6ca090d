use carnet_core::ErrorKind;
use serde_json::json;

use super::*;
use crate::testing::{NOW, context, credential, find, reason, token};

fn for_audience(audience: &str) -> String {
    token(&json!({"iss": "https://gitlab.com", "sub": "project_path:carnet-sandbox/app:ref_type:branch:ref:main",
        "aud": audience, "iat": NOW, "exp": NOW + 3600, "project_path": "carnet-sandbox/app", "ref": "main"}))
}

fn look(variables: &[(&str, &str)], wanted: Option<&str>) -> Result<Found, Error> {
    find(&GitLabCi::default(), &context(&[&[("GITLAB_CI", "true")], variables].concat()), wanted)
}

#[test]
fn takes_its_own_variable_first() {
    let (own, other) = (for_audience("https://a"), for_audience("https://b"));
    let found = credential(look(&[("GCP_ID_TOKEN", &other), ("CARNET_ID_TOKEN", &own)], None));
    assert_eq!(found.facts["audience"], "https://a");
    assert_eq!(found.facts["project_path"], "carnet-sandbox/app");
    assert_eq!(found.facts["ref"], "main");
}

#[test]
fn takes_the_variable_whose_audience_is_needed() {
    let (own, other) = (for_audience("https://a"), for_audience("https://b"));
    let found = credential(look(&[("GCP_ID_TOKEN", &other), ("CARNET_ID_TOKEN", &own)], Some("https://b")));
    assert_eq!(found.facts["audience"], "https://b");
}

#[test]
fn a_named_variable_is_the_only_one() {
    let (own, other) = (for_audience("https://a"), for_audience("https://b"));
    let context = context(&[("GITLAB_CI", "true"), ("CARNET_ID_TOKEN", &own), ("MINE", &other)]);
    let source = |name: &str| GitLabCi { variable: Some(name.to_owned()) };
    assert_eq!(credential(find(&source("MINE"), &context, None)).facts["audience"], "https://b");
    assert!(reason(find(&source("YOURS"), &context, None)).contains("YOURS is not set"));
}

#[test]
fn elsewhere_it_says_that_this_is_no_job() {
    let own = for_audience("https://a");
    let found = find(&GitLabCi::default(), &context(&[("CARNET_ID_TOKEN", &own)]), None);
    assert!(reason(found).starts_with("not a GitLab job"));
}

#[test]
fn a_job_without_token_is_told_what_to_write() {
    let reason = reason(look(&[], Some("https://a")));
    assert!(reason.ends_with(r#"`id_tokens: { CARNET_ID_TOKEN: { aud: "https://a" } }`"#), "{reason}");
}

#[test]
fn rejects_other_audience_with_the_fix() {
    let own = for_audience("https://a");
    let error = look(&[("CARNET_ID_TOKEN", &own)], Some("https://b")).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
    assert!(error.hints()[0].contains(r#"CARNET_ID_TOKEN: { aud: "https://b" }"#), "{:?}", error.hints());
}

#[test]
fn rejects_expired_token() {
    let old = token(&json!({"iss": "https://gitlab.com", "aud": "https://a", "exp": NOW}));
    assert_eq!(look(&[("CARNET_ID_TOKEN", &old)], None).unwrap_err().kind(), ErrorKind::Expired);
}

#[test]
fn rejects_own_variable_that_is_no_token_and_passes_over_others() {
    let error = look(&[("CARNET_ID_TOKEN", "$CI_JOB_TOKEN")], None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(reason(look(&[("ID_TOKEN", "something else")], None)).contains("CARNET_ID_TOKEN is not set"));
}

#[test]
fn rejects_variable_that_is_no_name() {
    for name in ["$CARNET_ID_TOKEN", "", "1A", "eyJhbGciOiJub25lIn0.e30."] {
        let mistakes = GitLabCi { variable: Some(name.to_owned()) }.build().unwrap_err();
        assert_eq!(mistakes[0].field, "variable", "{name}");
        assert!(!mistakes[0].message.contains("eyJ"));
    }
}
