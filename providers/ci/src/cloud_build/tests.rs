use carnet_core::{ErrorKind, HttpErrorKind, ScriptedHttp};
use serde_json::{Value, json};

use super::*;
use crate::testing::{NOW, context, credential as given, find, reason, token, with_network};

const STEP: [(&str, &str); 1] = [("BUILDER_OUTPUT", "/builder/outputs")];
const GOOGLE: [(&str, &str); 1] = [("metadata-flavor", "Google")];

fn claims() -> Value {
    json!({"iss": "https://accounts.google.com", "sub": "1", "aud": "https://a", "iat": NOW, "exp": NOW + 3600,
        "email": "builder@p.iam.gserviceaccount.com", "azp": "1"})
}

fn refused(http: ScriptedHttp) -> Error {
    find(&GoogleCloudBuild::default(), &with_network(&STEP, http).0, Some("https://a")).unwrap_err()
}

#[test]
fn asks_the_metadata_server_for_the_audience() {
    let (context, http) = with_network(&STEP, ScriptedHttp::default().answer_with(200, &GOOGLE, token(&claims())));
    let found = given(find(&GoogleCloudBuild::default(), &context, Some("https://a")));
    assert_eq!(found.facts["principal"], "builder@p.iam.gserviceaccount.com");
    let request = http.requests().remove(0);
    let expected = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/identity?audience=https%3A%2F%2Fa&format=full";
    assert_eq!((request.url.as_str(), request.destination), (expected, Destination::Metadata));
    assert_eq!(request.headers["metadata-flavor"], "Google");
}

#[test]
fn the_host_may_be_named() {
    let with = |host: &'static str| [STEP[0], ("GCE_METADATA_HOST", host)];
    let (context, http) =
        with_network(&with("127.0.0.1:7"), ScriptedHttp::default().answer_with(200, &GOOGLE, token(&claims())));
    given(find(&GoogleCloudBuild::default(), &context, Some("https://a")));
    assert_eq!(http.requests()[0].url.port(), Some(7));
    for host in ["a.example/x?", "a@b", "a#", "[", "a\\b"] {
        let (context, http) = with_network(&with(host), ScriptedHttp::default());
        let error = find(&GoogleCloudBuild::default(), &context, Some("https://a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{host}");
        assert!(http.requests().is_empty());
    }
}

#[test]
fn elsewhere_nobody_is_asked() {
    assert!(
        reason(find(&GoogleCloudBuild::default(), &context(&[]), Some("https://a")))
            .starts_with("not a step of Google")
    );
}

#[test]
fn rejects_a_missing_audience() {
    let error = find(&GoogleCloudBuild::default(), &context(&STEP), None).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
    assert!(GoogleCloudBuild { audience: Some(" ".to_owned()) }.build().is_err());
}

#[test]
fn rejects_refusal_and_says_which_account_may() {
    for status in [400, 403, 404] {
        let error = refused(ScriptedHttp::default().answer_with(status, &GOOGLE, ""));
        assert_eq!(error.kind(), ErrorKind::Refused, "{status}");
        assert!(error.hints()[0].contains("serviceAccount"));
    }
}

#[test]
fn rejects_answers_that_are_not_googles_or_no_token() {
    assert_eq!(refused(ScriptedHttp::default().answer(200, token(&claims()))).kind(), ErrorKind::Unreachable);
    for body in ["", "<html> hush", "hush"] {
        let error = refused(ScriptedHttp::default().answer_with(200, &GOOGLE, body));
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{body}");
        assert!(!format!("{error:?}").contains("hush"));
    }
    assert!(refused(ScriptedHttp::default().answer(503, "")).is_retryable());
    assert!(refused(ScriptedHttp::default().fail(HttpErrorKind::Connect)).is_retryable());
}

#[test]
fn rejects_token_for_another_audience_or_that_has_ended() {
    let of = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        refused(ScriptedHttp::default().answer_with(200, &GOOGLE, token(&claims)))
    };
    assert_eq!(of("aud", json!("https://b")).failed_clause(), Some("audience"));
    assert_eq!(of("exp", json!(NOW)).kind(), ErrorKind::Expired);
}
