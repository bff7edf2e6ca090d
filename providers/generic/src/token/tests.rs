use carnet_core::{ErrorKind, chain, test_context};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{NOW, good, jwt};

fn reader(kind: Option<TokenKind>) -> Reader {
    Reader::check(Format::Text, None, kind, &mut Vec::new())
}

fn read(reader: &Reader, text: &str, audience: Option<&str>) -> Result<Credential, Error> {
    let want = Want { audience: audience.map(ToOwned::to_owned) };
    reader.read(text.as_bytes(), "the token", &test_context(), &want)
}

#[test]
fn what_looks_like_a_jwt_is_one() {
    let found = read(&reader(None), &format!("\u{feff} {}\r\n", good()), Some("https://a")).unwrap();
    assert_eq!(found.kind(), Kind::Jwt);
    assert_eq!(found.facts["subject"], "s");
    assert_eq!(found.expires_at.unwrap().as_second(), NOW + 600);
}

#[test]
fn opaque_tokens_with_dots_are_access_tokens() {
    let found = read(&reader(None), "ya29.c.b0Aaek\n", Some("https://a")).unwrap();
    assert_eq!(found.kind(), Kind::AccessToken);
    assert!(found.facts.is_empty());
}

#[test]
fn a_jwt_may_be_taken_for_an_access_token() {
    let found = read(&reader(Some(TokenKind::AccessToken)), &good(), Some("https://b")).unwrap();
    assert_eq!(found.kind(), Kind::AccessToken);
}

#[test]
fn rejects_malformed_jwt_without_quoting_it() {
    let error = read(&reader(None), "eyJhush.hush.hush", None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(!chain(&error).join(" ").contains("hush"), "{error:?}");
}

#[test]
fn rejects_access_token_where_a_jwt_is_configured() {
    assert_eq!(read(&reader(Some(TokenKind::Jwt)), "opaque", None).unwrap_err().kind(), ErrorKind::Configuration);
}

#[test]
fn rejects_expired_token() {
    let old = jwt(&json!({"iss": "i", "aud": "a", "exp": NOW}));
    let error = read(&reader(None), &old, None).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("expired")));
}

#[test]
fn rejects_other_audience_with_both_ways_out() {
    let error = read(&reader(None), &good(), Some("https://b")).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
    assert!(error.hints().iter().any(|hint| hint.contains("subject_audience")));
}

#[test]
fn a_member_of_nested_json_is_found() {
    let token = parse_token(br#"{"data":{"token":" abc\n"}}"#, Format::Json, "data.token").unwrap();
    assert_eq!(token.expose(), "abc");
}

#[test]
fn rejects_texts_bent_in_one_place() {
    for (bytes, format, says) in [
        (&b""[..], Format::Text, "there is nothing in it"),
        (b" \n", Format::Text, "there is nothing in it"),
        (b"two words", Format::Text, "it is not one word of visible ASCII"),
        (b"\xff", Format::Text, "it is not UTF-8 (byte 0)"),
        (b"caf\xc3\xa9", Format::Text, "it is not one word of visible ASCII"),
        (
            b"{\"t\": \"hush\"}",
            Format::Text,
            "it is not one word of visible ASCII: this looks like JSON, so set `format = \"json\"` and `field`",
        ),
        (b"hush", Format::Json, "it is not JSON (line 1, column 1)"),
        (b"{\"other\":\"hush\"}", Format::Json, "the JSON has no member `t`"),
        (b"{\"t\":1}", Format::Json, "the member `t` is not a text"),
        (b"{\"t\":\"\"}", Format::Json, "there is nothing in it"),
        (b"[\"hush\"]", Format::Json, "the JSON has no member `t`"),
    ] {
        assert_eq!(parse_token(bytes, format, "t").unwrap_err(), says);
    }
    let huge = vec![b'a'; MAX_BYTES + 1];
    assert!(parse_token(&huge, Format::Text, "t").unwrap_err().contains("larger"));
}

#[test]
fn rejects_field_for_text_and_empty_field() {
    for (format, field) in [(Format::Text, "t"), (Format::Json, ""), (Format::Json, "a..b")] {
        let mut mistakes = Vec::new();
        Reader::check(format, Some(field.to_owned()), None, &mut mistakes);
        assert_eq!((mistakes.len(), mistakes[0].field.as_str()), (1, "field"));
    }
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), field in ".{0,10}") {
        drop((parse_token(&bytes, Format::Text, &field), parse_token(&bytes, Format::Json, &field)));
    }

    #[test]
    fn json_gives_back_what_was_put_in(token in "[!-~]{1,60}", field in "[a-z_]{1,10}") {
        let json = json!({ field.as_str(): token }).to_string();
        let read = parse_token(json.as_bytes(), Format::Json, &field).unwrap();
        prop_assert_eq!(read.expose(), token);
    }
}
