use proptest::prelude::*;
use serde_json::json;

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";

fn fields() -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", GRANT_TYPE.to_owned()),
        ("audience", "//iam.googleapis.com/x".to_owned()),
        ("scope", "https://www.googleapis.com/auth/cloud-platform".to_owned()),
        ("requested_token_type", ACCESS_TOKEN.to_owned()),
        ("subject_token", "a.b.c".to_owned()),
        ("subject_token_type", SUBJECT_TYPES[0].0.to_owned()),
    ]
}

fn form(fields: &[(&str, String)]) -> Vec<u8> {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish().into_bytes()
}

#[track_caller]
fn refused(fields: &[(&str, String)], code: &str, names: &str) {
    let mistake = parse_exchange(FORM, &form(fields)).unwrap_err();
    assert_eq!(mistake.code, code);
    assert!(mistake.description.contains(names), "{mistake}");
}

fn with(name: &'static str, value: &str) -> Vec<(&'static str, String)> {
    let mut fields = fields();
    fields.retain(|(known, _)| *known != name);
    fields.push((name, value.to_owned()));
    fields
}

#[test]
fn takes_both_encodings_and_both_spellings() {
    let snake: serde_json::Map<_, _> =
        fields().into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
    let snake = Value::from(snake);
    let camel = json!({
        "grantType": GRANT_TYPE, "audience": "//iam.googleapis.com/x", "requestedTokenType": ACCESS_TOKEN,
        "scope": "https://www.googleapis.com/auth/cloud-platform", "subjectToken": "a.b.c",
        "subjectTokenType": SUBJECT_TYPES[1].0, "options": null,
    });
    for (kind, body) in [
        (FORM, form(&fields())),
        ("application/x-www-form-urlencoded; charset=utf-8", form(&fields())),
        ("application/json", snake.to_string().into_bytes()),
        ("Application/JSON", camel.to_string().into_bytes()),
    ] {
        let request = parse_exchange(kind, &body).unwrap();
        assert_eq!(request.audience, "//iam.googleapis.com/x");
        assert_eq!(request.subject_token.expose(), "a.b.c");
    }
}

#[test]
fn rejects_missing_and_empty_parameters() {
    for (name, _) in fields() {
        let without: Vec<_> = fields().into_iter().filter(|(known, _)| *known != name).collect();
        refused(&without, "invalid_request", name);
        refused(&with(name, ""), "invalid_request", name);
    }
}

#[test]
fn rejects_a_parameter_that_is_there_twice() {
    let mut twice = fields();
    twice.push(("audience", "other".to_owned()));
    refused(&twice, "invalid_request", "audience");
}

#[test]
fn rejects_another_grant() {
    refused(&with("grant_type", "client_credentials"), "unsupported_grant_type", "grant_type");
}

#[test]
fn rejects_other_types_of_tokens() {
    refused(&with("requested_token_type", SUBJECT_TYPES[0].0), "invalid_request", "requested_token_type");
    refused(&with("subject_token_type", "jwt"), "invalid_request", "subject_token_type");
    for other in OTHER_SUBJECT_TYPES {
        refused(&with("subject_token_type", other), "invalid_request", "not emulated");
    }
    refused(&with("actor_token", "x"), "invalid_request", "actor_token");
}

#[test]
fn each_type_of_subject_token_has_its_name() {
    for (name, subject_type) in SUBJECT_TYPES {
        let request = parse_exchange(FORM, &form(&with("subject_token_type", name))).unwrap();
        assert_eq!(request.subject_type, subject_type, "{name}");
    }
}

#[test]
fn options_may_be_encoded_twice() {
    for options in [r#"{"userProject":"p"}"#, "%7B%22userProject%22%3A%22p%22%7D"] {
        assert!(parse_exchange(FORM, &form(&with("options", options))).is_ok(), "{options}");
    }
    for options in ["x", "%7B", "[]", "\"x\""] {
        refused(&with("options", options), "invalid_request", "options");
    }
}

#[test]
fn rejects_options_that_would_narrow_the_token() {
    refused(&with("options", r#"{"accessBoundary":{}}"#), "invalid_request", "accessBoundary");
    refused(&with("options", r#"{"bindCertFingerprint":"x"}"#), "invalid_request", "bindCertFingerprint");
}

#[test]
fn rejects_other_content() {
    for kind in ["", "text/plain", "multipart/form-data"] {
        assert!(parse_exchange(kind, &form(&fields())).is_err(), "{kind}");
    }
    for body in ["", "[]", "{\"audience\":1}"] {
        assert!(parse_exchange("application/json", body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn mistakes_show_no_value() {
    let mistake = parse_exchange(FORM, &form(&with("options", "s3cr3t"))).unwrap_err();
    assert!(!mistake.to_string().contains("s3cr3t"));
    assert!(!format!("{:?}", parse_exchange(FORM, &form(&fields())).unwrap()).contains("a.b.c"));
}

proptest! {
    #[test]
    fn any_body_is_answered(kind in prop::sample::select(vec![FORM, "application/json", "x"]), body in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(parse_exchange(kind, &body));
    }

    #[test]
    fn any_options_are_answered(options in ".{0,100}") {
        drop(parse_exchange(FORM, &form(&with("options", &options))));
    }

    #[test]
    fn what_a_form_carries_comes_out(audience in "[!-~ é]{1,60}", token in "[!-~]{1,60}") {
        let mut fields = with("audience", &audience);
        fields.retain(|(name, _)| *name != "subject_token");
        fields.push(("subject_token", token.clone()));
        let request = parse_exchange(FORM, &form(&fields)).unwrap();
        prop_assert_eq!(request.audience, audience);
        prop_assert_eq!(request.subject_token.expose(), token);
    }
}
