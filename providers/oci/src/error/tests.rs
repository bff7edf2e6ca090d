use carnet_core::{SecretBytes, chain};
use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn response(status: u16, body: &str) -> Response {
    Response {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: SecretBytes::new(body.as_bytes().to_vec()),
    }
}

fn refused(status: u16, body: &str) -> Error {
    refusal("exchange the token", Asked::Signed, &response(status, body), now(), &[])
}

#[test]
fn the_three_forms_of_error_bodies_are_read() {
    let service = ErrorBody::parse(br#"{"code":"NotAuthenticated","message":"The required information"}"#);
    assert_eq!(service.code.as_deref(), Some("NotAuthenticated"));
    let oauth = ErrorBody::parse(
        br#"{"error":"invalid_client","error_description":"Client authentication failed.","ecid":"a1"}"#,
    );
    assert_eq!(
        (oauth.code.as_deref(), oauth.message.as_deref(), oauth.ecid.as_deref()),
        (Some("invalid_client"), Some("Client authentication failed."), Some("a1"))
    );
    let scim = ErrorBody::parse(
        br#"{"detail":"Missing required attribute(s): issuer.","status":"400","urn:ietf:params:scim:api:oracle:idcs:extension:messages:Error":{"messageId":"error.common.validation.missingReqAttributes"}}"#,
    );
    assert_eq!(scim.code.as_deref(), Some("error.common.validation.missingReqAttributes"));
    assert_eq!(ErrorBody::parse(b"<html>"), ErrorBody::default());
}

#[test]
fn each_code_has_its_kind_and_clause() {
    for (status, body, kind, clause) in [
        (401, r#"{"error":"invalid_client"}"#, ErrorKind::Refused, Some("client")),
        (400, r#"{"error":"unauthorized_client"}"#, ErrorKind::Refused, Some("client")),
        (400, r#"{"error":"invalid_scope"}"#, ErrorKind::Refused, Some("scope")),
        (400, r#"{"error":"unsupported_grant_type"}"#, ErrorKind::Refused, Some("grant-type")),
        (403, r#"{"code":"NotAllowed"}"#, ErrorKind::Policy, Some("policy")),
        (404, r#"{"code":"NotAuthorizedOrNotFound"}"#, ErrorKind::Policy, Some("policy")),
        (401, r#"{"code":"NotAuthenticated"}"#, ErrorKind::Refused, Some("signature")),
        (429, "{}", ErrorKind::Unreachable, None),
        (503, "", ErrorKind::Unreachable, None),
        (302, "", ErrorKind::Unreachable, None),
        (409, r#"{"code":"BucketAlreadyExists"}"#, ErrorKind::Refused, None),
    ] {
        let error = refused(status, body);
        assert_eq!((error.kind(), error.failed_clause()), (kind, clause), "{status} {body}");
    }
}

#[test]
fn a_401_without_a_code_is_about_a_signature_only_when_there_was_one() {
    for body in ["", "<html>", r#"{"code":"NotAuthenticated"}"#] {
        let error = refusal("exchange", Asked::AsClient, &response(401, body), now(), &[]);
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, None), "{body}");
        assert!(!error.hints().join(" ").contains("clock"), "{:?}", error.hints());
        assert_eq!(refused(401, body).failed_clause(), Some("signature"), "{body}");
    }
}

#[test]
fn the_description_of_a_refused_exchange_tells_the_clause() {
    for (text, kind, clause) in [
        ("The token has expired.", ErrorKind::Expired, Some("expired")),
        ("No trust found for issuer https://a/", ErrorKind::Refused, Some("issuer")),
        ("Invalid public_key.", ErrorKind::Refused, Some("public-key")),
        ("res_type does not match", ErrorKind::Refused, Some("resource")),
        ("The audience is not allowed", ErrorKind::Refused, Some("audience")),
        ("Signature validation failed", ErrorKind::Refused, Some("signature")),
        ("No rule matches the token", ErrorKind::Policy, Some("subject")),
        ("Claim validation failed for repository", ErrorKind::Policy, Some("claim-validation")),
        ("The trust is not active", ErrorKind::Refused, Some("trust")),
        ("The subject token is invalid, expired or not trusted.", ErrorKind::Refused, None),
        ("The signature cannot be checked: no trust", ErrorKind::Refused, None),
        ("Invalid subject token", ErrorKind::Refused, None),
        ("rpst_exp is too long", ErrorKind::Refused, Some("lifetime")),
        ("Something else", ErrorKind::Refused, None),
    ] {
        let body = serde_json::json!({"error": "invalid_grant", "error_description": text}).to_string();
        let error = refused(400, &body);
        assert_eq!((error.kind(), error.failed_clause()), (kind, clause), "{text}");
        assert!(!error.hints().is_empty());
    }
}

#[test]
fn a_401_with_a_date_far_away_is_a_matter_of_clocks() {
    for (date, words) in
        [("Sat, 21 Nov 2026 11:50:00 GMT", "600 s ahead of"), ("Sat, 21 Nov 2026 12:10:00 GMT", "600 s behind")]
    {
        let mut response = response(401, r#"{"code":"NotAuthenticated","message":"x"}"#);
        response.headers.insert("date", HeaderValue::from_static(date));
        let error = refusal("list buckets", Asked::Signed, &response, now(), &[]);
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("date")));
        assert!(error.hints()[0].contains(words), "{:?}", error.hints());
    }
    let mut near = response(401, r#"{"code":"NotAuthenticated"}"#);
    near.headers.insert("date", HeaderValue::from_static("Sat, 21 Nov 2026 11:56:00 GMT"));
    assert_eq!(refusal("x", Asked::Signed, &near, now(), &[]).failed_clause(), Some("signature"));
}

#[test]
fn the_ids_that_support_asks_for_are_in_the_cause() {
    let mut response = response(404, r#"{"code":"NotAuthorizedOrNotFound","message":"Authorization failed."}"#);
    response.headers.insert("opc-request-id", HeaderValue::from_static("iad-1:abc"));
    response.headers.insert("x-oracle-dms-ecid", HeaderValue::from_static("e1"));
    assert_eq!(
        chain(&refusal("list buckets", Asked::Signed, &response, now(), &[])),
        [
            "list buckets",
            "the answer was HTTP 404 NotAuthorizedOrNotFound: Authorization failed. (opc-request-id iad-1:abc) (ECID e1)"
        ]
    );
}

#[test]
fn nothing_secret_that_the_other_side_quotes_is_shown() {
    let secret = Secret::new("MARK-client-secret");
    let body =
        r#"{"error":"eyJMARK.a.b","error_description":"bad MARK-client-secret and eyJMARK.x.y","ecid":"eyJMARK"}"#;
    let mut response = response(401, body);
    response.headers.insert("opc-request-id", HeaderValue::from_static("eyJMARK.q"));
    let error = refusal("exchange", Asked::AsClient, &response, now(), &[&secret]);
    let shown = format!("{error:?} {error} {:?} {:?}", error.hints(), error.provider_code());
    assert!(!shown.contains("MARK"), "{shown}");
}

/// A token without a mark that tells it, and what an answer makes of it.
const TOKEN: &str = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789aBcDeFgHiJkLmNoPqRsTuVwXyZ9876543210abcd";

#[test]
fn a_secret_that_was_sent_is_in_no_id_of_the_answer() {
    let secret = Secret::new("MARK-client-secret");
    for name in ["opc-request-id", "x-oracle-dms-ecid"] {
        for (value, shown) in [("iad-MARK-client-secret", false), ("iad-1:abc", true)] {
            let mut response = response(401, r#"{"error":"invalid_client"}"#);
            response.headers.insert(name, HeaderValue::from_static(value));
            let error = refusal("exchange", Asked::AsClient, &response, now(), &[&secret]);
            let said = chain(&error).join(" ");
            assert_eq!((said.contains(value), said.contains("MARK")), (shown, false), "{said}");
        }
    }
}

#[test]
fn no_piece_of_a_secret_that_was_sent_is_shown_however_it_is_wrapped() {
    let secret = Secret::new(TOKEN);
    let wrapped = format!("bad {}\n {} end", &TOKEN[..40], &TOKEN[40..]);
    let short_tail = format!("bad {}\n{} end", &TOKEN[..70], &TOKEN[70..]);
    for (text, shown) in [
        (format!("bad {TOKEN} end"), "bad [redacted] end"),
        (format!("bad '{}' end", &TOKEN[20..36]), "bad '[redacted]' end"),
        (wrapped, "bad [redacted] end"),
        (short_tail, "bad [redacted] end"),
        // Fifteen letters may be chance.
        (format!("bad {} end", &TOKEN[20..35]), "bad UvWxYz012345678 end"),
        ("é Ünïcode stays as it is".to_owned(), "é Ünïcode stays as it is"),
    ] {
        let body = serde_json::json!({"error": "invalid_grant", "error_description": text}).to_string();
        let message = ErrorBody::parse_without(body.as_bytes(), &[&secret]).message.unwrap();
        assert_eq!(message, shown, "{text}");
    }
}

proptest! {
    #[test]
    fn any_body_is_read_without_panic_and_shows_no_control_characters(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let parsed = ErrorBody::parse(&body);
        prop_assert!(parsed.message.is_none_or(|text| !text.chars().any(char::is_control)));
    }

    #[test]
    fn codes_and_messages_of_any_text_stay_within_their_bounds(code in "\\PC{0,200}", message in ".{0,500}") {
        let body = serde_json::json!({"code": code, "message": message}).to_string();
        let parsed = ErrorBody::parse(body.as_bytes());
        prop_assert!(parsed.code.is_none_or(|code| code.len() <= MAX_CODE && code.is_ascii()));
        prop_assert!(parsed.message.is_none_or(|text| text.chars().count() <= 310));
    }
}
