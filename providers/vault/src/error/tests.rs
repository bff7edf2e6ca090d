use carnet_core::SecretBytes;
use http::{HeaderMap, HeaderValue, header};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn refused(status: u16, texts: &[&str]) -> Error {
    let body = json!({ "errors": texts }).to_string();
    answered(status, &body)
}

fn answered(status: u16, body: &str) -> Error {
    let status = StatusCode::from_u16(status).unwrap();
    let response = Response { status, headers: HeaderMap::new(), body: SecretBytes::new(body) };
    let attempt = Attempt { mount: "jwt", role: Some("app"), audience: Some("aud-seen"), ..Attempt::default() };
    refusal(&response, "log in", &attempt)
}

#[test]
fn every_text_of_the_catalogue_tells_clause_and_fix() {
    for known in CATALOGUE {
        let error = refused(400, &[&format!("error validating token: {}: x", known.text)]);
        assert_eq!((error.failed_clause(), error.kind()), (Some(known.clause), known.kind), "{}", known.text);
        assert!(!error.hints().is_empty() && error.provider_code() == Some("400"), "{}", known.text);
    }
}

#[test]
fn the_refusals_of_the_trust_model_are_recognised() {
    for (text, clause) in [
        ("error validating token: error verifying token signature: failed to verify id token signature", "signature"),
        ("error validating claims: claim \"x\" is missing", "claim-missing"),
        ("error validating claims: claim \"x\" does not match any associated bound claim values", "bound-claims"),
        ("error validating claims: received claim is not a string, bool, int or list: map[a:1]", "bound-claims"),
        ("error validating claims: bound claim is not a string, bool, int or list: map[a:1]", "bound-claims"),
        ("path disabled in replication DR secondary mode", "standby"),
        ("role \"x\" could not be found", "role"),
        ("Entity not a part of any of the Role OCIDs", "group"),
        ("OCI authentication failed", "principal"),
        ("invalid role or secret ID", "request"),
    ] {
        assert_eq!(refused(400, &[text]).failed_clause(), Some(clause), "{text}");
    }
    assert!(refused(400, &["invalid audience (aud) claim"]).hints()[0].contains("aud-seen"));
}

#[test]
fn denials_and_absences_have_clauses() {
    let denied = refused(403, &["1 error occurred:\n\t* permission denied\n\n"]);
    assert_eq!((denied.kind(), denied.failed_clause()), (ErrorKind::Policy, Some("permission")));
    assert_eq!(answered(404, r#"{"errors":[]}"#).failed_clause(), Some("path"));
}

#[test]
fn a_login_that_is_denied_names_mount_and_namespace() {
    for (status, body) in [(403, r#"{"errors":["permission denied"]}"#), (404, r#"{"errors":[]}"#)] {
        let status = StatusCode::from_u16(status).unwrap();
        let response = Response { status, headers: HeaderMap::new(), body: SecretBytes::new(body) };
        let attempt = Attempt { mount: "jwt-ci", login: true, namespace: Some("team/a"), ..Attempt::default() };
        let hint = refusal(&response, "log in", &attempt).hints()[0].to_owned();
        assert!(hint.contains("auth/jwt-ci") && hint.contains("team/a"), "{hint}");
    }
}

#[test]
fn outages_can_be_tried_again() {
    for (status, clause) in
        [(307, Some("standby")), (412, Some("consistency")), (429, Some("quota")), (500, None), (503, Some("sealed"))]
    {
        let error = refused(status, &["x"]);
        assert!(error.is_retryable() && error.failed_clause() == clause, "{status}");
    }
}

#[test]
fn rejects_answers_that_are_not_vault_s_without_quoting_them() {
    for body in ["<html>hush</html>", "", r#"{"message":"hush"}"#] {
        let error = answered(400, body);
        assert!(error.is_retryable() && !format!("{error:?}").contains("hush"), "{error:?}");
    }
}

#[test]
fn tokens_in_texts_are_not_shown() {
    let error = refused(400, &["bad eyJhbGciOi.x.y and hvs.CAES"]);
    assert!(!format!("{error:?}").contains("CAES") && !format!("{error:?}").contains("eyJ"));
}

#[test]
fn no_error_repeats_what_was_sent_even_in_pieces() {
    let sent = "opaque-0123456789abcdefghijklmnopqrstuvwxyz-token";
    let pieces: Vec<&str> = (0..sent.len()).step_by(12).map(|at| &sent[at..(at + 12).min(sent.len())]).collect();
    let less_one = sent.split_at(sent.len() - 1).0;
    let quotes =
        [sent.to_owned(), less_one.to_owned(), pieces.join("\u{200b}"), pieces.join("\n"), pieces.join("\r\n")];
    let secret = Secret::new(sent);
    let refused = |status: u16, body: &str, location: &str| {
        let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_str(location).unwrap())]);
        let status = StatusCode::from_u16(status).unwrap();
        let response = Response { status, headers, body: SecretBytes::new(body) };
        refusal(&response, "log in", &Attempt { mount: "jwt", secrets: vec![&secret], ..Attempt::default() })
    };
    let all_of = |error: &Error| format!("{error:?} {:?}", error.hints());
    let said = |texts: &[&str]| json!({ "errors": texts }).to_string();
    for quote in &quotes {
        let claim = format!("invalid audience (aud) claim: {quote}");
        let texts = ["role \"x\" could not be found", claim.as_str()];
        for status in [400, 403, 500, 503] {
            let shown = all_of(&refused(status, &said(&texts), "/"));
            assert!(!shown.contains("0123") && !shown.contains("wxyz"), "{shown}");
            assert!(
                shown.contains("could not be found") && shown.contains(HIDDEN),
                "what repeats nothing stays: {shown}"
            );
        }
        assert_eq!(refused(400, &said(&texts), "/").failed_clause(), Some("audience"));
    }
    let shown = all_of(&refused(400, &said(&pieces), "/"));
    assert!(!shown.contains("0123") && shown.contains(HIDDEN), "one piece in each text: {shown}");
    let shown = all_of(&refused(307, "", &format!("https://other.example/{less_one}")));
    assert!(!shown.contains("0123") && shown.contains("points to another address"), "{shown}");
    assert!(all_of(&refused(307, "", "https://other.example/")).contains("other.example"));
}

proptest! {
    #[test]
    fn never_panics_and_shows_no_control_character(
        body in proptest::collection::vec(any::<u8>(), 0..200), texts in proptest::collection::vec(any::<String>(), 0..3),
    ) {
        prop_assert!(parse_errors(&body).is_empty());
        let shown = parse_errors(json!({ "errors": texts }).to_string().as_bytes());
        prop_assert!(shown.iter().all(|text| !text.is_empty() && !text.chars().any(char::is_control)));
    }
}
