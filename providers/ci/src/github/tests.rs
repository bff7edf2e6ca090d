use std::sync::Arc;

use carnet_core::{Context, ErrorKind, HttpErrorKind, ScriptedHttp, chain};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{NOW, context, credential, find, reason, token};

const AUDIENCE: &str = "https://iam.googleapis.com/projects/1/x y&z";
const JOB: [(&str, &str); 3] = [
    ("GITHUB_ACTIONS", "true"),
    ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://pipelines.actions.githubusercontent.com/x/idtoken?api-version=2.0"),
    ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-token"),
];

fn claims() -> Value {
    json!({"iss": "https://token.actions.githubusercontent.com", "sub": "repo:carnet-sandbox/app:ref:refs/heads/main",
        "aud": AUDIENCE, "iat": NOW - 10, "exp": NOW + 290, "repository": "carnet-sandbox/app", "ref": "refs/heads/main"})
}

fn answer(claims: &Value) -> String {
    json!({"count": 1, "value": token(claims)}).to_string()
}

fn job(http: ScriptedHttp) -> (Context, Arc<ScriptedHttp>) {
    let http = Arc::new(http);
    let seen: Arc<ScriptedHttp> = Arc::clone(&http);
    (Context { http, ..context(&JOB) }, seen)
}

fn refused(http: ScriptedHttp) -> Error {
    find(&GitHubActions::default(), &job(http).0, Some(AUDIENCE)).unwrap_err()
}

#[test]
fn asks_for_the_audience_that_the_next_step_needs() {
    let (context, http) = job(ScriptedHttp::default().answer(200, answer(&claims())));
    let found = credential(find(&GitHubActions::default(), &context, Some(AUDIENCE)));
    assert_eq!(found.facts["subject"], "repo:carnet-sandbox/app:ref:refs/heads/main");
    assert_eq!(found.facts["repository"], "carnet-sandbox/app");
    assert_eq!(found.facts["ref"], "refs/heads/main");
    assert_eq!(found.expires_at.unwrap().as_second(), NOW + 290);
    let request = http.requests().remove(0);
    let pairs: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
    assert_eq!(pairs, [("api-version".to_owned(), "2.0".to_owned()), ("audience".to_owned(), AUDIENCE.to_owned())]);
    assert_eq!(request.headers["authorization"], "Bearer request-token");
}

#[test]
fn a_configured_audience_wins() {
    let (context, http) = job(ScriptedHttp::default().answer(200, answer(&claims())));
    let source = GitHubActions { audience: Some(AUDIENCE.to_owned()) };
    credential(find(&source, &context, Some("https://other.example")));
    assert!(http.requests()[0].url.query_pairs().any(|(name, value)| name == "audience" && value == AUDIENCE));
}

#[test]
fn elsewhere_it_says_that_this_is_no_job() {
    assert!(reason(find(&GitHubActions::default(), &context(&[]), None)).starts_with("not a GitHub Actions job"));
}

#[test]
fn a_job_without_the_permission_is_told_to_ask_for_it() {
    let reason = reason(find(&GitHubActions::default(), &context(&[("GITHUB_ACTIONS", "true")]), None));
    assert!(reason.contains("id-token: write"), "{reason}");
}

#[test]
fn rejects_refusal_of_the_endpoint() {
    let error = refused(ScriptedHttp::default().answer(401, "{}"));
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Refused, Some("401")));
}

#[test]
fn an_outage_can_be_tried_again() {
    for status in [429, 500, 503] {
        assert!(refused(ScriptedHttp::default().answer(status, "")).is_retryable(), "{status}");
    }
    assert!(refused(ScriptedHttp::default().fail(HttpErrorKind::Timeout)).is_retryable());
}

#[test]
fn rejects_answer_without_token() {
    for body in ["{}", "<html>", r#"{"value":null}"#, r#"{"value":""}"#] {
        assert_eq!(refused(ScriptedHttp::default().answer(200, body)).kind(), ErrorKind::Unreachable, "{body}");
    }
}

#[test]
fn rejects_answer_that_is_no_jwt_and_does_not_quote_it() {
    let error = refused(ScriptedHttp::default().answer(200, r#"{"value":"hush.hush"}"#));
    assert!(!chain(&error).join(" ").contains("hush"), "{error:?}");
}

#[test]
fn rejects_token_for_another_audience() {
    let mut claims = claims();
    claims["aud"] = json!("https://github.com/carnet-sandbox");
    let error = refused(ScriptedHttp::default().answer(200, answer(&claims)));
    assert_eq!(error.failed_clause(), Some("audience"));
}

#[test]
fn rejects_expired_token() {
    let mut claims = claims();
    claims["exp"] = json!(NOW);
    assert_eq!(refused(ScriptedHttp::default().answer(200, answer(&claims))).kind(), ErrorKind::Expired);
}

#[test]
fn rejects_a_request_token_of_two_lines_and_names_its_variable() {
    let (mut context, http) = job(ScriptedHttp::default());
    let variables = [(IN_ACTIONS, "true"), (REQUEST_URL, "https://a.example/t"), (REQUEST_TOKEN, "hush\nhush")];
    context.environment = Arc::new(carnet_core::MapEnvironment::of(&variables));
    let error = find(&GitHubActions::default(), &context, Some(AUDIENCE)).unwrap_err();
    assert_eq!(error.to_string(), "read ACTIONS_ID_TOKEN_REQUEST_TOKEN: it is not one word of visible ASCII");
    assert!(error.hints()[0].contains("one line") && http.requests().is_empty());
}

#[test]
fn rejects_an_answer_without_a_token_and_says_what_to_look_at() {
    let error = refused(ScriptedHttp::default().answer(200, r#"{"token":"x"}"#));
    assert!(error.to_string().ends_with("has no text `value`"), "{error}");
    assert!(error.hints()[0].contains(REQUEST_URL), "{error:?}");
}

#[test]
fn rejects_request_url_in_plain_text() {
    assert_eq!(request_url("http://example.com/t", None).unwrap_err().kind(), ErrorKind::Configuration);
    assert_eq!(request_url("t", None).unwrap_err().kind(), ErrorKind::Configuration);
    request_url("http://127.0.0.1:7101/t", None).unwrap();
}

#[test]
fn rejects_empty_audience_in_configuration() {
    let mistakes = GitHubActions { audience: Some(" ".to_owned()) }.build().unwrap_err();
    assert_eq!(mistakes[0].field, "audience");
}

proptest! {
    #[test]
    fn answers_never_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
        drop(parse_token_answer(&body));
    }
}
