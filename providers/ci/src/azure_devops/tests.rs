use carnet_core::{ErrorKind, HttpErrorKind, ScriptedHttp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{NOW, context, credential as given, find, reason, token, with_network};

const URI: &str = "https://dev.azure.com/o/11111111-1111-4111-8111-111111111111/_apis/distributedtask/hubs/build/plans/p/jobs/j/oidctoken";
const ID: &str = "22222222-2222-4222-8222-222222222222";
const JOB: [(&str, &str); 3] =
    [("TF_BUILD", "True"), ("SYSTEM_OIDCREQUESTURI", URI), ("SYSTEM_ACCESSTOKEN", "job-token")];

fn claims() -> Value {
    json!({"iss": "https://vstoken.dev.azure.com/33333333-3333-4333-8333-333333333333", "sub": "sc://o/p/c", "aud": AUDIENCE,
        "iat": NOW, "exp": NOW + 600, "org_id": "o", "prj_id": "p", "rpo_ref": "refs/heads/main"})
}

fn answer(claims: &Value) -> String {
    json!({"oidcToken": token(claims)}).to_string()
}

fn connection() -> AzureDevOps {
    AzureDevOps { service_connection: Some(ID.to_owned()) }
}

fn refused(http: ScriptedHttp, wanted: Option<&str>) -> Error {
    find(&connection(), &with_network(&JOB, http).0, wanted).unwrap_err()
}

#[test]
fn asks_for_the_token_of_a_service_connection() {
    let (context, http) = with_network(&JOB, ScriptedHttp::default().answer(200, answer(&claims())));
    let found = given(find(&connection(), &context, Some(AUDIENCE)));
    assert_eq!(found.facts["subject"], "sc://o/p/c");
    assert_eq!((found.facts["prj_id"].as_str(), found.facts["rpo_ref"].as_str()), ("p", "refs/heads/main"));
    let request = http.requests().remove(0);
    assert_eq!(request.method, Method::POST);
    assert_eq!(request.url.as_str(), format!("{URI}?api-version=7.1&serviceConnectionId={ID}"));
    assert_eq!(request.headers["authorization"], "Bearer job-token");
    assert_eq!(request.headers["x-tfs-fedauthredirect"], "Suppress");
}

#[test]
fn without_a_service_connection_it_is_the_pipelines_own() {
    let (context, http) = with_network(&JOB, ScriptedHttp::default().answer(200, answer(&claims())));
    given(find(&AzureDevOps::default(), &context, None));
    assert_eq!(http.requests()[0].url.as_str(), format!("{URI}?api-version=7.1"));
}

#[test]
fn the_task_says_which_service_connection_it_runs_for() {
    let variables = [&JOB[..], &[(CONNECTION, ID)]].concat();
    let (context, http) = with_network(&variables, ScriptedHttp::default().answer(200, answer(&claims())));
    given(find(&AzureDevOps::default(), &context, None));
    assert!(http.requests()[0].url.query().unwrap().ends_with(ID));
    let (context, http) = with_network(&[&JOB[..], &[(CONNECTION, "a&b")]].concat(), ScriptedHttp::default());
    let error = find(&AzureDevOps::default(), &context, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(http.requests().is_empty());
}

#[test]
fn elsewhere_and_without_its_token_it_says_what_is_missing() {
    let of = |variables: &[(&str, &str)]| reason(find(&AzureDevOps::default(), &context(variables), None));
    assert!(of(&[]).starts_with("not a job of Azure Pipelines"));
    assert!(of(&JOB[..2]).contains("SYSTEM_ACCESSTOKEN: $(System.AccessToken)"));
    assert!(of(&JOB[..1]).contains("SYSTEM_OIDCREQUESTURI is not set"));
}

#[test]
fn rejects_refusals_and_pages_to_log_in_at() {
    for status in [203, 302, 401, 403, 404] {
        let error = refused(ScriptedHttp::default().answer(status, "<html>"), None);
        assert_eq!(error.kind(), ErrorKind::Refused, "{status}");
        assert_eq!(error.provider_code(), Some(status.to_string().as_str()));
        assert!(!error.hints().is_empty());
    }
}

#[test]
fn an_outage_can_be_tried_again() {
    assert!(refused(ScriptedHttp::default().answer(503, ""), None).is_retryable());
    assert!(refused(ScriptedHttp::default().fail(HttpErrorKind::Timeout), None).is_retryable());
}

#[test]
fn rejects_answer_without_token() {
    for body in ["{}", "<html>", r#"{"oidcToken":null}"#, r#"{"oidcToken":""}"#, r#"{"oidcToken":"hush.hush"}"#] {
        let error = refused(ScriptedHttp::default().answer(200, body), None);
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{body}");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }
}

#[test]
fn rejects_another_audience_and_says_that_nobody_can_choose_it() {
    let error = refused(ScriptedHttp::default().answer(200, answer(&claims())), Some("https://me.example"));
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
    assert!(error.hints()[0].contains("nobody can choose it"), "{:?}", error.hints());
}

#[test]
fn entra_names_the_same_audience_by_its_id() {
    let mut claims = claims();
    claims["aud"] = json!(AUDIENCE_ID);
    let http = ScriptedHttp::default().answer(200, answer(&claims));
    given(find(&connection(), &with_network(&JOB, http).0, Some(AUDIENCE)));
    claims["aud"] = json!("another");
    let error = refused(ScriptedHttp::default().answer(200, answer(&claims)), Some(AUDIENCE));
    assert_eq!(error.failed_clause(), Some("audience"));
}

#[test]
fn rejects_expired_token() {
    let mut claims = claims();
    claims["exp"] = json!(NOW);
    assert_eq!(refused(ScriptedHttp::default().answer(200, answer(&claims)), None).kind(), ErrorKind::Expired);
}

#[test]
fn rejects_request_uri_in_plain_text() {
    assert_eq!(request_url("http://dev.azure.com/t", None).unwrap_err().kind(), ErrorKind::Configuration);
    request_url("http://127.0.0.1:7101/t", None).unwrap();
}

#[test]
fn rejects_service_connection_by_name() {
    for name in ["my connection", "", "{22222222-2222-4222-8222-222222222222}", "22222222222242228222222222222222"] {
        let mistakes = AzureDevOps { service_connection: Some(name.to_owned()) }.build().unwrap_err();
        assert_eq!(mistakes[0].field, "service_connection", "{name}");
    }
    connection().build().unwrap();
}

proptest! {
    #[test]
    fn answers_never_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
        drop(parse_oidc_token_answer(&body));
    }

    #[test]
    fn a_token_that_is_there_is_found(text in "[!-~]{1,50}") {
        let body = json!({ "oidcToken": text }).to_string();
        let token = parse_oidc_token_answer(body.as_bytes()).unwrap();
        prop_assert_eq!(token.expose(), text);
    }
}
