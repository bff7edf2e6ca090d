use carnet_core::{SecretBytes, chain};
use carnet_jose::SubjectToken;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{CLIENT, NOW, TENANT, token};

fn response(status: u16, body: impl Into<Vec<u8>>) -> Response {
    Response { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body: SecretBytes::new(body) }
}

fn told(status: u16, body: impl Into<Vec<u8>>) -> Error {
    told_of(status, body, false, None)
}

fn told_of(status: u16, body: impl Into<Vec<u8>>, is_early: bool, token: Option<&Secret>) -> Error {
    let attempt = Attempt {
        tenant: TENANT,
        client_id: CLIENT,
        scope: "https://storage.azure.com/.default",
        issuer: Some("https://issuer.example/"),
        subject: Some("s"),
        audience: Some("https://seen.example"),
        is_early,
        token,
    };
    token_endpoint(&response(status, body), &attempt)
}

fn body(error: &str, code: u32, text: &str) -> String {
    json!({ "error": error, "error_codes": [code], "trace_id": "t-1",
        "error_description": format!("AADSTS{code}: {text} Trace ID: t-1 Correlation ID: c-1 Timestamp: now") })
    .to_string()
}

#[test]
fn a_token_of_the_future_is_not_called_over() {
    let error = told_of(400, body("invalid_client", 700_024, "not within its valid time range."), true, None);
    assert_eq!((error.failed_clause(), error.kind()), (Some("not-yet"), ErrorKind::Expired));
    assert!(error.hints()[0].contains("clocks"));
    let error = told_of(400, body("invalid_client", 700_211, "no issuer"), true, None);
    assert_eq!(error.failed_clause(), Some("issuer"));
}

#[test]
fn a_token_is_early_by_the_later_of_its_times() {
    let now = Timestamp::from_second(NOW).unwrap();
    let body = body("invalid_client", 700_024, "not within its valid time range.");
    for (times, clause) in [
        (json!({}), "expired"),
        (json!({ "iat": NOW, "nbf": NOW }), "expired"),
        (json!({ "iat": NOW, "nbf": NOW + 1 }), "not-yet"),
        (json!({ "nbf": NOW + 1 }), "not-yet"),
        (json!({ "iat": NOW + 1, "nbf": NOW }), "not-yet"),
    ] {
        let credential = SubjectToken::parse(token(&times)).unwrap().into_credential();
        let attempt = Attempt::of(&credential, now, TENANT, CLIENT, "https://storage.azure.com/.default");
        let error = token_endpoint(&response(400, body.as_str()), &attempt);
        assert_eq!(error.failed_clause(), Some(clause), "{times}");
    }
}

#[test]
fn no_error_quotes_the_token_even_in_parts() {
    let token = "opaque-0123456789abcdefghijklmnopqrstuvwxyz-token";
    let secret = Secret::new(token);
    for between in ["", " ", "\u{200b}", "\n"] {
        let parts: Vec<&str> =
            (0..token.len()).step_by(12).filter_map(|at| token.get(at..(at + 12).min(token.len()))).collect();
        let error = told_of(400, body("invalid_client", 700_211, &parts.join(between)), false, Some(&secret));
        assert!(!format!("{error:?}").contains("0123"), "{error:?}");
        assert_eq!(error.failed_clause(), Some("issuer"));
    }
}

#[test]
fn each_code_tells_clause_kind_and_fix() {
    use ErrorKind::{Configuration, Expired, Policy, Refused};
    for (code, clause, kind) in [
        (70_021, "credential", Refused),
        (70_025, "credential", Refused),
        (700_211, "issuer", Refused),
        (700_212, "audience", Refused),
        (700_213, "subject", Refused),
        (7_002_137, "subject", Refused),
        (7_002_138, "case", Refused),
        (7_002_381, "policy", Policy),
        (700_222, "own-issuer", Refused),
        (700_024, "expired", Expired),
        (7_000_272, "key", Refused),
        (50_027, "form", Refused),
        (5_002_723, "key-id", Refused),
        (5_002_730, "algorithm", Refused),
        (5_002_738, "algorithm", Refused),
        (50_166, "keys", Refused),
        (90_061, "keys", Refused),
        (90_014, "claims", Refused),
        (700_016, "client", Refused),
        (90_002, "tenant", Refused),
        (900_023, "tenant", Configuration),
        (500_011, "resource", Refused),
        (70_011, "scope", Configuration),
        (1_002_012, "scope", Configuration),
        (53_003, "policy", Policy),
        (1, "subject-token", Refused),
    ] {
        let error = told(401, body("invalid_client", code, "no"));
        assert_eq!((error.failed_clause(), error.kind()), (Some(clause), kind), "{code}");
        assert_eq!(error.provider_code(), Some(format!("AADSTS{code}").as_str()));
        assert!(error.hints().len() >= 2, "{code}: a fix and the trace");
    }
}

#[test]
fn the_values_seen_are_in_the_fix() {
    for (code, value) in [(700_211, "https://issuer.example/"), (700_213, " s:"), (700_212, "https://seen.example")] {
        let error = told(401, body("invalid_client", code, "no"));
        assert!(error.hints()[0].contains(value), "{:?}", error.hints());
    }
}

#[test]
fn the_code_is_found_in_older_answers() {
    let text = "AADSTS70021: No matching federated identity record found.\r\nTrace ID: t\r\nCorrelation ID: c";
    let error = told(400, json!({ "error": "invalid_request", "error_description": text }).to_string());
    assert_eq!(error.provider_code(), Some("AADSTS70021"));
    assert_eq!(chain(&error)[1], "AADSTS70021: No matching federated identity record found.");
}

#[test]
fn overload_and_strangers_can_be_tried_again() {
    for (status, body) in [(429, "{}"), (503, "busy"), (404, "<html>"), (200 + 102, "")] {
        let error = told(status, body);
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{status}");
        assert!(!error.hints().is_empty());
    }
}

#[test]
fn a_challenge_is_a_policy() {
    let body =
        json!({ "error": "invalid_grant", "error_description": "AADSTS1: x", "claims": "{\"access_token\":{}}" });
    let error = told(400, body.to_string());
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("policy")));
    assert!(error.hints()[0].contains("`claims`"));
}

#[test]
fn a_token_in_the_description_is_not_shown() {
    let error = told(401, body("invalid_client", 50_027, "eyJhbGciOiJSUzI1NiJ9.e30.c2ln is malformed"));
    assert!(!format!("{error:?} {:?}", error.hints()).contains("eyJ"));
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,80}") {
        drop(parse_error(&bytes));
        let _ = code_in(&text);
    }
}
