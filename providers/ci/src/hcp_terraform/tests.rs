use carnet_core::ErrorKind;
use serde_json::json;

use super::*;
use crate::testing::{NOW, context, credential as given, find, reason, token};

fn of(audience: &str) -> String {
    token(
        &json!({"iss": "https://app.terraform.io", "sub": "organization:o:project:p:workspace:w:run_phase:apply", "aud": audience,
        "iat": NOW, "exp": NOW + 300, "terraform_workspace_id": "ws-1", "terraform_run_phase": "apply"}),
    )
}

fn look(variables: &[(&str, &str)], wanted: Option<&str>) -> Result<Found, Error> {
    find(&HcpTerraform::default(), &context(&[&[("TFC_RUN_ID", "run-1")], variables].concat()), wanted)
}

#[test]
fn takes_the_token_whose_audience_is_needed() {
    let (plain, oci) = (of("https://a"), of("https://b"));
    let both = [("TFC_WORKLOAD_IDENTITY_TOKEN", plain.as_str()), ("TFC_WORKLOAD_IDENTITY_TOKEN_OCI", oci.as_str())];
    assert_eq!(given(look(&both, None)).facts["audience"], "https://a");
    let found = given(look(&both, Some("https://b")));
    assert_eq!(
        (found.facts["audience"].as_str(), found.facts["terraform_workspace_id"].as_str()),
        ("https://b", "ws-1")
    );
    assert_eq!(found.facts["terraform_run_phase"], "apply");
}

#[test]
fn a_tag_names_the_only_one() {
    let (plain, mine) = (of("https://a"), of("https://b"));
    let context = context(&[("TFC_WORKLOAD_IDENTITY_TOKEN", &plain), ("TFC_WORKLOAD_IDENTITY_TOKEN_MINE", &mine)]);
    let tagged = |tag: &str| HcpTerraform { tag: Some(tag.to_owned()) };
    assert_eq!(given(find(&tagged("MINE"), &context, None)).facts["audience"], "https://b");
    assert!(reason(find(&tagged("YOURS"), &context, None)).contains("TFC_WORKLOAD_IDENTITY_TOKEN_YOURS are not set"));
}

#[test]
fn elsewhere_and_without_a_token_it_says_what_is_missing() {
    assert!(reason(find(&HcpTerraform::default(), &context(&[]), None)).starts_with("not a run of HCP Terraform"));
    let reason = reason(look(&[], Some("https://a")));
    assert!(reason.contains(r#"TFC_WORKLOAD_IDENTITY_AUDIENCE = "https://a""#), "{reason}");
}

#[test]
fn rejects_another_audience_with_the_fix() {
    let error = look(&[("TFC_WORKLOAD_IDENTITY_TOKEN", &of("https://a"))], Some("https://b")).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
    assert!(error.hints()[0].contains(r#"TFC_WORKLOAD_IDENTITY_AUDIENCE = "https://b""#), "{:?}", error.hints());
}

#[test]
fn rejects_expired_token_and_what_is_none() {
    let old = token(&json!({"aud": "https://a", "exp": NOW}));
    assert_eq!(look(&[("TFC_WORKLOAD_IDENTITY_TOKEN", &old)], None).unwrap_err().kind(), ErrorKind::Expired);
    let error = look(&[("TFC_WORKLOAD_IDENTITY_TOKEN_GCP", "hush")], None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(!format!("{error:?}").contains("hush"));
}

#[test]
fn rejects_tags_that_cannot_be() {
    for tag in ["TYPE", "", "A-B", "_$"] {
        let mistakes = HcpTerraform { tag: Some(tag.to_owned()) }.build().unwrap_err();
        assert_eq!(mistakes[0].field, "tag", "{tag}");
    }
    HcpTerraform { tag: Some("my_2".to_owned()) }.build().unwrap();
}
