use carnet_core::SecretBytes;
use http::HeaderMap;
use serde_json::json;

use super::*;
use crate::{testing::jwt, trust};

fn response(status: u16, body: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    Response { status, headers: HeaderMap::new(), body: SecretBytes::new(body) }
}

fn refused(status: u16, message: impl Into<Value>, name: &str) -> Error {
    let body = json!({ "reqId": "r", "statusCode": status, "message": message.into(), "error": name }).to_string();
    let shown = jwt();
    refusal(&response(status, &body), "log in", &Attempt::login(Method::Oidc, Some("i"), &shown))
}

#[test]
fn every_text_of_the_catalogue_tells_clause_and_fix() {
    for known in &CATALOGUE {
        let error = refused(401, format!("Access: {} x", known.text), "UnauthorizedError");
        assert_eq!((error.failed_clause(), error.kind()), (Some(known.clause), known.kind), "{}", known.text);
        assert!(!error.hints().is_empty() && error.provider_code() == Some("UnauthorizedError"), "{}", known.text);
    }
}

#[test]
fn the_refusals_of_the_trust_model_are_recognised() {
    use carnet_jose::KeySet;
    use jiff::Timestamp;

    let now = Timestamp::UNIX_EPOCH;
    let token = Secret::new("none");
    let none = KeySet::default();
    let spiffe = trust::SpiffeAuth {
        token: trust::TokenSettings::default(),
        trust_domain: "td".to_owned(),
        allowed_spiffe_ids: String::new(),
        allowed_audiences: String::new(),
        trust_bundle_distribution: trust::TrustBundle::Static { bundle: String::new() },
    };
    let headers = trust::SignedHeaders { authorization: "", host: "x" };
    let refusals = [
        trust::OidcAuth::default().decide(&token, &none, now).unwrap_err(),
        trust::OidcAuth::default().undiscovered("x"),
        trust::OidcAuth::default().without_keys(),
        trust::UniversalAuth::invalid(),
        trust::KubernetesAuth::default().decide(&trust::Review::default()).unwrap_err(),
        trust::OciAuth { tenancy_ocid: "t".to_owned(), ..Default::default() }
            .decide(&trust::User::default(), "u")
            .unwrap_err(),
        trust::OciAuth::destination(&headers, "u").unwrap_err(),
        trust::signed_region(None).unwrap_err(),
        trust::Method::absent("oci-auth", "i").unwrap(),
    ];
    for known in refusals {
        let error = refused(known.status, known.refusal.code.clone(), known.error);
        assert_eq!(error.failed_clause(), Some(known.refusal.clause), "{known:?}");
    }
    // These words stand for more than one clause there.
    let unworded = spiffe.decide(&token, &none, now).unwrap_err();
    assert_eq!(refused(401, unworded.refusal.code, unworded.error).failed_clause(), Some("key"));
}

#[test]
fn denials_absences_and_dead_tokens_have_clauses() {
    for (status, message, name, kind, clause) in [
        (403, "You are not allowed to read on secrets", "PermissionDenied", ErrorKind::Policy, "permission"),
        (404, "Secret with name 'X' not found", "NotFound", ErrorKind::Refused, "path"),
        (403, "Your token has expired. Please re-authenticate.", "TokenError", ErrorKind::Expired, "expired"),
        (401, "[invalid bearer token]", "KubernetesTokenReviewError", ErrorKind::Refused, "review"),
        (403, "invalid token", "TokenError", ErrorKind::Refused, "token"),
        (401, "Failed to authorize: token usage limit reached", "UnauthorizedError", ErrorKind::Refused, "uses"),
    ] {
        let error = refused(status, message, name);
        assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)), "{message}");
    }
}

#[test]
fn the_issues_of_a_body_are_told_with_their_place() {
    let issues = json!([{ "code": "invalid_type", "path": ["headers", "host"], "message": "Required" }]);
    let error = refused(422, issues.clone(), "ValidationFailure");
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("request")));
    assert!(format!("{error:?}").contains("headers.host: Required"), "{error:?}");
    let body = json!({ "message": issues }).to_string();
    assert_eq!(parse_message(body.as_bytes()), "headers.host: Required");
}

#[test]
fn outages_can_be_tried_again_and_name_the_other_reason() {
    for (status, clause) in [(302, "redirect"), (429, "quota"), (500, "upstream"), (504, "upstream")] {
        let error = refused(status, "Something went wrong", "InternalServerError");
        assert!(error.is_retryable() && error.failed_clause() == Some(clause), "{status}");
    }
    let shown = jwt();
    let attempt = Attempt::login(Method::Oci, Some("i"), &shown);
    let error = refusal(&response(500, r#"{"message":"Something went wrong"}"#), "log in", &attempt);
    assert!(error.hints()[0].contains("Oracle did not take the signature"), "{:?}", error.hints());
}

#[test]
fn rejects_answers_that_are_not_infisical_s_without_quoting_them() {
    for body in ["<html>hush</html>", "", r#"{"errors":["hush"]}"#] {
        let error = refusal(&response(400, body), "log in", &Attempt::default());
        assert!(error.is_retryable() && !format!("{error:?}").contains("hush"), "{error:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_answer_is_told_without_the_token(status in 300_u16..600, body: Vec<u8>, name: String) {
        let shown = jwt();
        let attempt = Attempt::login(Method::Oidc, None, &shown);
        let json = json!({ "message": format!("{name} h.p.s {name}"), "error": name }).to_string().into_bytes();
        for body in [body, json] {
            let response = Response { body: SecretBytes::new(body.clone()), ..response(status, "") };
            let error = refusal(&response, "log in", &attempt);
            let told = format!("{:?} {}", error, parse_message(&body).len());
            proptest::prop_assert!(!told.contains("h.p.s"));
        }
    }
}

#[test]
fn what_was_sent_is_not_shown() {
    let shown = crate::testing::access_token("a-secret-of-the-client-0123456789");
    let body = json!({ "message": "wrong: a-secret-of-the-client-0123456789", "error": "x" }).to_string();
    let attempt = Attempt::login(Method::Universal, None, &shown);
    let error = refusal(&response(401, &body), "log in", &attempt);
    assert!(!format!("{error:?}").contains("secret-of-the-client"), "{error:?}");
}
