use carnet_core::ErrorKind;
use serde_json::json;

use super::*;
use crate::testing::{NOW, context, credential as given, find, reason, token};

const WORKSPACE: &str = "ari:cloud:bitbucket::workspace/w";

fn step(audience: &serde_json::Value, end: i64) -> Context {
    let token = token(
        &json!({"iss": "https://api.bitbucket.org/2.0/workspaces/w/pipelines-config/identity/oidc", "sub": "{r}:{s}",
        "aud": audience, "iat": NOW, "exp": end, "repositoryUuid": "{r}", "workspaceUuid": "{w}", "branchName": "main"}),
    );
    context(&[("BITBUCKET_BUILD_NUMBER", "7"), ("BITBUCKET_STEP_OIDC_TOKEN", &token)])
}

#[test]
fn a_step_has_its_token_in_a_variable() {
    let found = given(find(&BitbucketPipelines {}, &step(&json!(WORKSPACE), NOW + 60), None));
    assert_eq!((found.facts["repositoryUuid"].as_str(), found.facts["branchName"].as_str()), ("{r}", "main"));
    given(find(&BitbucketPipelines {}, &step(&json!(["https://a", "https://b"]), NOW + 60), Some("https://b")));
}

#[test]
fn elsewhere_and_without_its_token_it_says_what_is_missing() {
    assert!(reason(find(&BitbucketPipelines {}, &context(&[]), None)).starts_with("not a step of Bitbucket Pipelines"));
    let without = context(&[("BITBUCKET_BUILD_NUMBER", "7")]);
    let reason = reason(find(&BitbucketPipelines {}, &without, Some("https://a")));
    assert!(reason.ends_with(r#"`oidc: true`, or `oidc: { audiences: ["https://a"] }`"#), "{reason}");
}

#[test]
fn rejects_another_audience_with_the_fix() {
    let error = find(&BitbucketPipelines {}, &step(&json!(WORKSPACE), NOW + 60), Some("https://a")).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
    assert!(error.hints()[0].ends_with(r#"give the step `oidc: { audiences: ["https://a"] }`"#), "{:?}", error.hints());
}

#[test]
fn rejects_expired_token() {
    let error = find(&BitbucketPipelines {}, &step(&json!(WORKSPACE), NOW), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired);
}

#[test]
fn rejects_what_is_no_token() {
    let error = find(&BitbucketPipelines {}, &context(&[("BITBUCKET_STEP_OIDC_TOKEN", "hush")]), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(!format!("{error:?}").contains("hush"));
}
