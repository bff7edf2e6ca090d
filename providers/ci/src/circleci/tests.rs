use carnet_core::{ErrorKind, ScriptedCommands};
use serde_json::Value;

use super::*;
use crate::testing::{NOW, context, credential as given, find, reason, token, with_programs};

fn of(subject: &str, audience: &str, end: i64) -> String {
    token(&json!({"iss": "https://oidc.circleci.com/org/o", "sub": subject, "aud": audience, "iat": NOW, "exp": end,
        "oidc.circleci.com/project-id": "p", "oidc.circleci.com/context-ids": ["c"], "oidc.circleci.com/ssh-rerun": false}))
}

fn job(programs: ScriptedCommands) -> (Context, Arc<ScriptedCommands>) {
    let (v1, v2) = (of("v1", "o", NOW + 3600), of("v2", "o", NOW + 3600));
    with_programs(&[("CIRCLECI", "true"), ("CIRCLE_OIDC_TOKEN", &v1), ("CIRCLE_OIDC_TOKEN_V2", &v2)], programs)
}

fn prints(audience: &str) -> ScriptedCommands {
    ScriptedCommands::default().answer(Some(0), of("made", audience, NOW + 3600) + "\n", "")
}

#[test]
fn for_the_organization_it_is_the_token_that_the_job_found() {
    let (context, programs) = job(ScriptedCommands::default());
    let found = given(find(&CircleCi::default(), &context, Some("o")));
    assert_eq!((found.facts["subject"].as_str(), found.facts["project_id"].as_str()), ("v2", "p"));
    assert_eq!((found.facts["context_ids"].as_str(), found.facts["ssh_rerun"].as_str()), ("c", "false"));
    let first = CircleCi { subject: CircleSubject::V1, ..CircleCi::default() };
    assert_eq!(given(find(&first, &context, None)).facts["subject"], "v1");
    assert!(programs.commands().is_empty());
}

#[test]
fn for_another_audience_the_program_makes_one() {
    let (context, programs) = job(prints("https://a\"b"));
    let found = given(find(&CircleCi::default(), &context, Some("https://a\"b")));
    assert_eq!(found.facts["subject"], "made");
    let argv = &programs.commands()[0].argv;
    assert_eq!(argv[..5], ["circleci", "run", "oidc", "get", "--claims"]);
    assert_eq!(serde_json::from_str::<Value>(&argv[5]).unwrap(), json!({"aud": "https://a\"b"}));
    assert_eq!(argv.len(), 6);
}

#[test]
fn a_token_that_has_ended_is_made_anew() {
    let old = of("v2", "o", NOW);
    let (context, programs) = with_programs(&[("CIRCLECI", "true"), ("CIRCLE_OIDC_TOKEN_V2", &old)], prints("o"));
    assert_eq!(given(find(&CircleCi::default(), &context, Some("o"))).facts["subject"], "made");
    assert_eq!(programs.commands().len(), 1);
}

#[test]
fn the_issuer_of_all_organizations_is_only_for_who_asks() {
    let (context, programs) = job(prints("pypi"));
    let root = CircleCi { root_issuer: true, audience: Some("pypi".to_owned()), ..CircleCi::default() };
    given(find(&root, &context, None));
    assert_eq!(programs.commands()[0].argv.last().unwrap(), "--root-issuer");
}

#[test]
fn elsewhere_and_in_builds_of_forks_it_says_what_is_missing() {
    assert!(reason(find(&CircleCi::default(), &context(&[]), None)).starts_with("not a CircleCI job"));
    let fork = reason(find(&CircleCi::default(), &context(&[("CIRCLECI", "true")]), Some("https://a")));
    assert!(fork.contains("CIRCLE_OIDC_TOKEN_V2 is not set: builds of forks"), "{fork}");
}

#[test]
fn rejects_the_first_form_for_another_audience() {
    let first = CircleCi { subject: CircleSubject::V1, ..CircleCi::default() };
    let error = find(&first, &job(ScriptedCommands::default()).0, Some("https://a")).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
    assert!(error.hints()[0].starts_with("leave `subject` out"));
}

#[test]
fn rejects_refusal_and_other_audience_of_the_program() {
    let refused = ScriptedCommands::default().answer(Some(1), "", "hush");
    let error = find(&CircleCi::default(), &job(refused).0, Some("https://a")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(!format!("{error:?}").contains("hush"));
    let error = find(&CircleCi::default(), &job(prints("https://b")).0, Some("https://a")).unwrap_err();
    assert_eq!(error.failed_clause(), Some("audience"));
}

#[test]
fn rejects_a_variable_that_is_no_token() {
    let variables = [("CIRCLECI", "true"), ("CIRCLE_OIDC_TOKEN_V2", "hush")];
    let error = find(&CircleCi::default(), &context(&variables), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(!format!("{error:?}").contains("hush"));
}

#[test]
fn rejects_settings_that_do_not_go_together() {
    let source = CircleCi { audience: Some(String::new()), subject: CircleSubject::V1, root_issuer: true };
    let fields: Vec<String> = source.build().unwrap_err().into_iter().map(|mistake| mistake.field).collect();
    assert_eq!(fields, ["audience", "root_issuer"]);
}
