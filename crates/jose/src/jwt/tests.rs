use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    strict::encode_base64url,
    testing::{ISSUER, NOW, claims, sign},
};

fn token(header: &str, claims: &str) -> String {
    format!("{}.{}.AAAA", encode_base64url(header), encode_base64url(claims))
}

fn refusal(token: &str) -> JwtClause {
    UnverifiedJwt::parse(token).expect_err("the token must be refused").clause
}

#[test]
fn shows_what_stands_in_a_token() {
    let token = UnverifiedJwt::parse(&sign(json!({}), &claims())).unwrap();
    assert_eq!((token.unverified_alg(), token.unverified_kid()), ("ES256", Some("ES256")));
    assert_eq!(token.unverified_issuer(), Some(ISSUER));
    assert_eq!(token.unverified_expiry().unwrap().as_second(), NOW + 240);
    assert_eq!(format!("{token:?}"), "UnverifiedJwt");
}

#[test]
fn a_token_without_signature_can_be_shown() {
    let token = format!("{}.{}.", encode_base64url(r#"{"alg":"none"}"#), encode_base64url("{}"));
    assert_eq!(UnverifiedJwt::parse(&token).unwrap().unverified_alg(), "none");
}

#[test]
fn rejects_any_number_of_parts_but_three() {
    for token in ["", "a", "e30.e30", "e30.e30.AA.AA", "e30.e30.AA.AA.AA", "..", "....", "e30.e30.AA.AA.AA.AA"] {
        assert_eq!(refusal(token), JwtClause::Form, "{token:?}");
    }
    let error = UnverifiedJwt::parse("e30.e30.AA.AA.AA").unwrap_err();
    assert!(error.message.contains("JWE"), "{}", error.message);
}

#[test]
fn rejects_padding_white_space_and_other_alphabets() {
    let good = token(r#"{"alg":"ES256"}"#, "{}");
    assert!(UnverifiedJwt::parse(&good).is_ok());
    for bad in [
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        good.replace(".e30.", ".e30=."),
        good.replace(".e30.", ".e31."),
        good.replace(".AAAA", ".AA+A"),
        good.replace(".AAAA", ".AB"),
        format!("Bearer {good}"),
    ] {
        assert_eq!(refusal(&bad), JwtClause::Form, "{bad}");
    }
}

#[test]
fn rejects_parts_that_are_not_one_json_object() {
    for bad in ["", "[]", "1", "null", "\"x\"", "{", "{}{}", "{'a':1}"] {
        assert_eq!(refusal(&token(bad, "{}")), JwtClause::Form, "header {bad}");
        assert_eq!(refusal(&token(r#"{"alg":"ES256"}"#, bad)), JwtClause::Form, "claims {bad}");
    }
}

#[test]
fn rejects_duplicate_members_in_header_and_claims() {
    assert_eq!(refusal(&token(r#"{"alg":"ES256","alg":"none"}"#, "{}")), JwtClause::Form);
    assert_eq!(refusal(&token(r#"{"alg":"ES256"}"#, r#"{"sub":"a","sub":"b"}"#)), JwtClause::Form);
    assert_eq!(refusal(&token(r#"{"alg":"ES256"}"#, r#"{"a":{"b":1,"b":2}}"#)), JwtClause::Form);
}

#[test]
fn rejects_header_members_of_the_wrong_type() {
    for bad in ["{}", r#"{"alg":1}"#, r#"{"alg":null}"#, r#"{"alg":["ES256"]}"#, r#"{"alg":"ES256","kid":1}"#] {
        assert_eq!(refusal(&token(bad, "{}")), JwtClause::Header, "{bad}");
    }
}

#[test]
fn rejects_what_is_too_long() {
    let long = token(r#"{"alg":"ES256"}"#, &format!(r#"{{"a":"{}"}}"#, "x".repeat(UnverifiedJwt::MAX_LENGTH)));
    assert_eq!(refusal(&long), JwtClause::Form);
    let header = format!(r#"{{"alg":"ES256","x5c":"{}"}}"#, "x".repeat(UnverifiedJwt::MAX_HEADER));
    assert_eq!(refusal(&token(&header, "{}")), JwtClause::Form);
}

#[test]
fn no_message_quotes_the_token() {
    for bad in ["s3cr3t", "s3cr3t.s3cr3t.s3cr3t", &token("{\"s3cr3t\"", "{}"), &token(r#"{"alg":"s3cr3t}"#, "{}")] {
        let error = UnverifiedJwt::parse(bad).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in ".*") {
        drop(UnverifiedJwt::parse(&text));
    }

    #[test]
    fn parsing_never_panics_behind_the_base64(header in any::<Vec<u8>>(), claims in ".*", signature in any::<Vec<u8>>()) {
        let parts = [encode_base64url(header), encode_base64url(claims), encode_base64url(signature)];
        drop(UnverifiedJwt::parse(&parts.join(".")));
    }
}
