use carnet_core::{SecretBytes, chain};
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::PROVIDER;

fn response(status: u16, body: &Value) -> Response {
    Response {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: SecretBytes::new(body.to_string()),
    }
}

const SUBJECT_TOKEN: &str = "MARKSUBJECT-0123456789abcdef-xyz";
const FEDERATED: &str = "MARKFEDERATED-0123456789abcdef-xyz";

fn refused(code: &str, description: &str) -> Error {
    let provider = ProviderResource::parse(PROVIDER, "googleapis.com").unwrap();
    let subject_token = Secret::new(SUBJECT_TOKEN);
    let attempt = Attempt {
        provider: &provider,
        subject_token: &subject_token,
        audience: Some("https://seen.example"),
        issuer: Some("https://issuer.example/"),
        subject: Some("s"),
    };
    token_service(&response(400, &json!({ "error": code, "error_description": description })), &attempt)
}

fn denied(status: u16, body: &Value) -> Error {
    let provider = ProviderResource::parse(PROVIDER, "googleapis.com").unwrap();
    let subject_token = &Secret::new(SUBJECT_TOKEN);
    let attempt = Attempt { provider: &provider, audience: None, issuer: None, subject: None, subject_token };
    impersonation(&response(status, body), "a@p.iam.gserviceaccount.com", &Secret::new(FEDERATED), &attempt)
}

/// Every text of the catalogue, as users quote it.
#[test]
fn each_known_text_tells_its_clause() {
    use ErrorKind::{Expired, Policy, Refused};
    for (code, description, clause, kind) in [
        (
            "invalid_request",
            "Invalid value for \"audience\". This value should be the full resource name of the Identity Provider. See https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible formats.",
            "request",
            Refused,
        ),
        (
            "invalid_target",
            "The target service indicated by the \"audience\" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn't exist.",
            "target",
            Refused,
        ),
        ("invalid_grant", "The audience in ID Token [x] does not match the expected audience y.", "audience", Refused),
        (
            "invalid_grant",
            "The issuer in ID Token https://a does not match the expected ones: https://b",
            "issuer",
            Refused,
        ),
        ("invalid_grant", "Error connecting to the given credential's issuer.", "keys", Refused),
        ("invalid_grant", "ID Token issued at 1795262400 is stale to sign-in.", "expired", Expired),
        ("invalid_grant", "AWS request has invalid format.", "aws-request", Refused),
        (
            "invalid_grant",
            "Invalid format of AWS credentials:Error at line 0:0: Unexpected end of stream : expected '{'",
            "aws-request",
            Refused,
        ),
        ("unauthorized_client", "The given credential is rejected by the attribute condition.", "condition", Policy),
        (
            "unauthorized_client",
            "The mapped attribute 'google.subject' must be of type STRING.",
            "mapping-type",
            Refused,
        ),
        (
            "invalid_request",
            "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your attribute mapping or the incoming assertion to produce a mapped attribute that is less than 127 bytes.",
            "mapping-size",
            Refused,
        ),
        ("invalid_grant", "Could not obtain a value for google.subject from the given credential.", "mapping", Refused),
        ("invalid_grant", "Something nobody has seen yet.", "subject-token", Refused),
    ] {
        let error = refused(code, description);
        assert_eq!((error.failed_clause(), error.kind()), (Some(clause), kind), "{description}");
        assert_eq!(error.provider_code(), Some(code));
        assert!(!error.hints().is_empty(), "{description}");
    }
}

#[test]
fn an_unknown_pool_may_only_be_new() {
    let error = refused("invalid_target", "anything");
    assert_eq!(error.failed_clause(), Some("target"));
    assert!(error.hints().iter().any(|hint| hint.contains("5 minutes")));
}

#[test]
fn the_description_is_shown_without_tokens() {
    let error = refused("invalid_grant", "bad eyJhbGciOiJub25lIn0.e30.c2ln\u{1b}[2J");
    assert_eq!(chain(&error)[1], "invalid_grant: bad [redacted] [2J");
}

#[test]
fn rejects_disabled_api() {
    let body = json!({"error": {"code": 403, "message": "IAM Service Account Credentials API has not been used in project 1 before or it is disabled.",
        "status": "PERMISSION_DENIED", "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}]}});
    assert_eq!(denied(403, &body).failed_clause(), Some("api"));
}

#[test]
fn rejects_lifetime_over_an_hour() {
    let body = json!({"error": {"code": 400, "message": "The access token lifetime cannot exceed 3600 seconds.", "status": "INVALID_ARGUMENT"}});
    let error = denied(400, &body);
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("lifetime")));
}

#[test]
fn rejects_federated_token_that_is_not_accepted() {
    let body = json!({"error": {"code": 401, "message": "Request had invalid authentication credentials.", "status": "UNAUTHENTICATED"}});
    assert_eq!(denied(401, &body).failed_clause(), Some("federated-token"));
}

#[test]
fn what_has_no_code_is_not_google() {
    let error = denied(403, &json!("blocked by the proxy"));
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[test]
fn what_was_sent_is_not_shown_when_it_is_echoed() {
    let said = chain(&refused(SUBJECT_TOKEN, &format!("the signature of {SUBJECT_TOKEN} is wrong"))).join(": ");
    assert!(said.ends_with("[redacted]: the signature of [redacted] is wrong"), "{said}");
    for sent in [SUBJECT_TOKEN, FEDERATED] {
        let head = &sent[..20];
        let body = json!({"error": {"code": 403, "status": "PERMISSION_DENIED",
            "message": format!("got `Bearer {sent}`, cut {head}..."),
            "details": [{"reason": sent, "metadata": {"permission": sent}}]}});
        let error = denied(403, &body);
        assert_eq!(chain(&error)[1], "PERMISSION_DENIED: got `Bearer [redacted]`, cut [redacted]...");
        let shown = parse_error_without(body.to_string().as_bytes(), &[&Secret::new(sent)]);
        assert!(!format!("{shown:?} {error:?}").contains("0123456789abcdef"), "{shown:?} {error:?}");
    }
}

proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        parse_error(&body);
    }

    #[test]
    fn never_shows_a_token(text in "eyJ[A-Za-z0-9_-]{1,30}") {
        let body = json!({ "error": text, "error_description": text }).to_string();
        let said = format!("{:?}", parse_error(body.as_bytes()));
        prop_assert!(!said.contains(&text));
    }
}
