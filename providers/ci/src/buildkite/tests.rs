use carnet_core::{ErrorKind, ScriptedCommands};
use serde_json::{Value, json};

use super::*;
use crate::testing::{NOW, context, credential as given, find, reason, token, with_programs};

const JOB: [(&str, &str); 1] = [("BUILDKITE", "true")];

fn claims() -> Value {
    json!({"iss": "https://agent.buildkite.com", "aud": "https://a", "iat": NOW, "exp": NOW + 300, "organization_slug": "o",
        "pipeline_id": "p", "build_branch": "main",
        "sub": "organization:o:pipeline:p:ref:refs/heads/main:commit:c:step:s"})
}

fn prints(claims: &Value) -> ScriptedCommands {
    ScriptedCommands::default().answer(Some(0), token(claims) + "\n", "")
}

#[test]
fn asks_the_agent_for_the_audience_and_the_ids() {
    let (context, programs) = with_programs(&JOB, prints(&claims()));
    let found = given(find(&Buildkite::default(), &context, Some("https://a")));
    assert_eq!((found.facts["pipeline_id"].as_str(), found.facts["build_branch"].as_str()), ("p", "main"));
    let expected =
        "buildkite-agent oidc request-token --audience https://a --claim organization_id --claim pipeline_id";
    assert_eq!(programs.commands()[0].argv.join(" "), expected);
}

#[test]
fn what_is_configured_wins() {
    let (context, programs) = with_programs(&JOB, prints(&claims()));
    let source = Buildkite {
        audience: Some("https://a".to_owned()),
        claims: Some(vec!["cluster_id".to_owned()]),
        lifetime: Some(60),
    };
    given(find(&source, &context, Some("https://b")));
    let expected = "buildkite-agent oidc request-token --audience https://a --lifetime 60 --claim cluster_id";
    assert_eq!(programs.commands()[0].argv.join(" "), expected);
}

#[test]
fn old_agents_are_asked_without_claims_and_anybody_without_an_audience() {
    let (context, programs) = with_programs(&JOB, prints(&claims()));
    given(find(&Buildkite { claims: Some(Vec::new()), ..Buildkite::default() }, &context, None));
    assert_eq!(programs.commands()[0].argv.join(" "), "buildkite-agent oidc request-token");
}

#[test]
fn elsewhere_no_program_is_run() {
    let (context, programs) = with_programs(&[("BUILDKITE", "false")], prints(&claims()));
    assert!(reason(find(&Buildkite::default(), &context, None)).starts_with("not a Buildkite job"));
    assert!(programs.commands().is_empty());
}

#[test]
fn rejects_refusal_of_the_agent_without_its_words() {
    let programs = ScriptedCommands::default().answer(Some(1), "", "token hush refused");
    let error = find(&Buildkite::default(), &with_programs(&JOB, programs).0, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("status 1") && error.hints().len() == 2, "{error:?}");
    assert!(!format!("{error:?} {:?}", error.hints()).contains("hush"));
}

#[test]
fn rejects_a_program_that_is_not_there() {
    let error = find(&Buildkite::default(), &context(&JOB), None).unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.contains("a container")), "{error:?}");
}

#[test]
fn rejects_output_that_is_no_token() {
    for output in ["", "two words", "hush.hush"] {
        let programs = ScriptedCommands::default().answer(Some(0), output, "");
        let error = find(&Buildkite::default(), &with_programs(&JOB, programs).0, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{output}");
        assert!(!format!("{error:?}").contains("hush"));
    }
}

#[test]
fn rejects_token_for_another_audience_or_that_has_ended() {
    let of = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        find(&Buildkite::default(), &with_programs(&JOB, prints(&claims)).0, Some("https://a")).unwrap_err()
    };
    assert_eq!(of("aud", json!("https://b")).failed_clause(), Some("audience"));
    assert_eq!(of("exp", json!(NOW)).kind(), ErrorKind::Expired);
}

#[test]
fn rejects_mistakes_in_configuration_all_at_once() {
    let source = Buildkite { audience: Some(" ".to_owned()), claims: Some(vec!["a,b".to_owned()]), lifetime: Some(0) };
    let fields: Vec<String> = source.build().unwrap_err().into_iter().map(|mistake| mistake.field).collect();
    assert_eq!(fields, ["audience", "claims", "lifetime"]);
    assert!(Buildkite { lifetime: Some(86_401), ..Buildkite::default() }.build().is_err());
}
