use carnet_core::{ErrorKind, MemoryFiles};
use serde_json::json;

use super::*;
use crate::testing::{NOW, context, credential as given, find, reason, token};

fn of(subject: &str) -> String {
    token(&json!({"iss": "https://ci.example/oidc", "sub": subject, "aud": "https://a", "iat": NOW, "exp": NOW + 60,
        "build_number": 7}))
}

fn build(variables: &[(&str, &str)], file: Option<&str>) -> Context {
    let files = MemoryFiles::default();
    if let Some(token) = file {
        files.put("/tmp/secret", token);
    }
    Context { files: Arc::new(files), ..context(&[&[("JENKINS_URL", "https://ci.example/")], variables].concat()) }
}

fn look(variables: &[(&str, &str)], file: Option<&str>) -> Result<Found, Error> {
    find(&Jenkins::default(), &build(variables, file), Some("https://a"))
}

#[test]
fn the_token_is_in_a_variable_or_in_a_file() {
    let (one, other) = (of("variable"), of("file"));
    assert_eq!(given(look(&[("CARNET_ID_TOKEN", &one)], None)).facts["subject"], "variable");
    assert_eq!(given(look(&[("IDTOKEN", &one)], None)).facts["subject"], "variable");
    for variable in ["CARNET_ID_TOKEN_FILE", "ID_TOKEN_FILE"] {
        assert_eq!(given(look(&[(variable, "/tmp/secret")], Some(&other))).facts["subject"], "file");
    }
}

#[test]
fn what_is_configured_is_the_only_place() {
    let (one, other) = (of("mine"), of("file"));
    let context = build(&[("CARNET_ID_TOKEN", &of("own")), ("MINE", &one), ("MY_FILE", "/tmp/secret")], Some(&other));
    let source = |variable: Option<&str>, file: Option<&str>| Jenkins {
        variable: variable.map(ToOwned::to_owned),
        file_variable: file.map(ToOwned::to_owned),
    };
    assert_eq!(given(find(&source(Some("MINE"), None), &context, None)).facts["subject"], "mine");
    assert_eq!(given(find(&source(None, Some("MY_FILE")), &context, None)).facts["subject"], "file");
    assert!(reason(find(&source(Some("YOURS"), None), &context, None)).contains("string(credentialsId"));
    assert!(
        reason(find(&source(None, Some("YOURS")), &context, None))
            .contains("file(credentialsId: 'ID', variable: 'YOURS')")
    );
}

#[test]
fn elsewhere_and_without_a_token_it_says_what_is_missing() {
    let elsewhere = find(&Jenkins::default(), &context(&[("CARNET_ID_TOKEN", &of("s"))]), None);
    assert!(reason(elsewhere).starts_with("not a Jenkins build"));
    assert!(reason(look(&[], None)).contains("withCredentials([string("));
}

#[test]
fn the_identity_of_the_agents_pod_is_not_the_builds() {
    let variables = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/tmp/secret")];
    assert!(
        reason(look(&variables, Some(&of("system:serviceaccount:ci:agent")))).contains("CARNET_ID_TOKEN is not set")
    );
}

#[test]
fn rejects_another_audience_with_the_fix() {
    let error =
        find(&Jenkins::default(), &build(&[("CARNET_ID_TOKEN", &of("s"))], None), Some("https://b")).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
    assert!(error.hints()[0].contains("the audience https://b"), "{:?}", error.hints());
}

#[test]
fn rejects_own_places_without_token_and_passes_over_others() {
    for (variables, file) in [
        ([("CARNET_ID_TOKEN", "hush")], None),
        ([("CARNET_ID_TOKEN_FILE", "/tmp/secret")], Some("hush hush")),
        ([("CARNET_ID_TOKEN_FILE", "/tmp/secret")], Some("hush")),
        ([("CARNET_ID_TOKEN_FILE", "/tmp/secret")], None),
    ] {
        let error = look(&variables, file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{variables:?}");
        assert!(!format!("{error:?}").contains("hush") && !error.hints().is_empty());
    }
    for variables in [[("ID_TOKEN", "something else")], [("ID_TOKEN_FILE", "/gone")]] {
        assert!(reason(look(&variables, None)).contains("CARNET_ID_TOKEN is not set"));
    }
}

#[test]
fn rejects_names_that_are_none_and_two_places() {
    let both = Jenkins { variable: Some("A".to_owned()), file_variable: Some("$B".to_owned()) };
    let fields: Vec<String> = both.build().unwrap_err().into_iter().map(|mistake| mistake.field).collect();
    assert_eq!(fields, ["file_variable", "file_variable"]);
}
