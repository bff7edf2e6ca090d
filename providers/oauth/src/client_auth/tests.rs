use carnet_core::{ErrorKind, ScriptedHttp, chain};
use serde_json::{Value, json};

use super::*;
use crate::{
    OAuth,
    testing::{TOKEN_URL, World, exchange, field, subject_token, with, world},
};

const ANSWER: &str =
    r#"{"access_token":"t","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer"}"#;

fn section() -> Value {
    json!({ "token_url": TOKEN_URL, "client_id": "app one", "client_secret": "s3cr3t+/ %" })
}

fn sent(section: &Value) -> (World, carnet_core::Request) {
    let world = world(ScriptedHttp::default().answer(200, ANSWER));
    exchange::<OAuth>(section, &world).unwrap();
    let request = world.http.requests().remove(0);
    (world, request)
}

#[test]
fn the_header_carries_both_halves_form_encoded() {
    let (_, request) = sent(&section());
    let value = &request.headers["authorization"];
    assert!(value.is_sensitive());
    let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap();
    assert_eq!(STANDARD.decode(encoded).unwrap(), b"app+one:s3cr3t%2B%2F+%25");
    assert_eq!((field(&request, "client_id"), field(&request, "client_secret")), (None, None));
}

#[test]
fn the_form_carries_the_secret_only_when_told_to() {
    let (_, request) = sent(&with(section(), "client_auth", "client_secret_post"));
    assert_eq!(field(&request, "client_id").as_deref(), Some("app one"));
    assert_eq!(field(&request, "client_secret").as_deref(), Some("s3cr3t+/ %"));
    assert!(!request.headers.contains_key("authorization"));
}

#[test]
fn the_secret_is_read_from_its_file_at_each_use() {
    let http = ScriptedHttp::default().answer(200, ANSWER).answer(200, ANSWER);
    let world = world(http);
    let section = json!({"token_url": TOKEN_URL, "client_id": "app", "client_secret_file": "/s", "client_auth": "client_secret_post"});
    for secret in ["first", "second"] {
        world.files.put("/s", format!("{secret}\n"));
        exchange::<OAuth>(&section, &world).unwrap();
        let request = world.http.requests().pop().unwrap();
        assert_eq!(field(&request, "client_secret").as_deref(), Some(secret));
    }
}

#[test]
fn a_public_client_says_who_it_is() {
    let (_, request) = sent(&json!({"token_url": TOKEN_URL, "client_id": "app"}));
    assert_eq!(field(&request, "client_id").as_deref(), Some("app"));
    assert!(!request.headers.contains_key("authorization"));
}

#[test]
fn the_credential_is_the_assertion_and_the_subject() {
    let (_, request) = sent(&json!({"token_url": TOKEN_URL, "client_auth": "private_key_jwt"}));
    assert_eq!(field(&request, "client_assertion").as_deref(), Some(subject_token().expose()));
    assert_eq!(field(&request, "subject_token").as_deref(), Some(subject_token().expose()));
    assert_eq!(field(&request, "client_id"), None);
}

#[test]
fn rejects_files_without_a_secret_before_anything_is_sent() {
    let section = json!({"token_url": TOKEN_URL, "client_id": "app", "client_secret_file": "/s"});
    for (content, says) in [
        (None, "read the client secret in /s: the file does not exist"),
        (Some(" \n"), "read the client secret in /s: it is not one line of text"),
        (Some("a\nb"), "read the client secret in /s: it is not one line of text"),
    ] {
        let world = world(ScriptedHttp::default());
        if let Some(content) = content {
            world.files.put("/s", content);
        }
        let error = exchange::<OAuth>(&section, &world).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Configuration, says));
        assert!(world.http.requests().is_empty());
    }
}

#[test]
fn rejects_a_given_secret_of_two_lines() {
    let error = exchange::<OAuth>(&with(section(), "client_secret", "a\nb"), &world(ScriptedHttp::default()));
    assert_eq!(error.unwrap_err().to_string(), "use the client secret: it is not one line of text");
}

/// What was sent may come back in the answer, in whichever form it was sent.
#[test]
fn no_error_quotes_what_was_sent() {
    let basic = STANDARD.encode("app+one:s3cr3t%2B%2F+%25");
    for method in ["client_secret_basic", "client_secret_post"] {
        let token = subject_token();
        for quoted in ["s3cr3t+/ %", "s3cr3t%2B%2F+%25", basic.as_str(), token.expose(), &token.expose()[20..50]] {
            if quoted == basic && method == "client_secret_post" {
                continue;
            }
            let body = json!({"error": "invalid_client", "error_description": format!("got [{quoted}]")});
            let world = world(ScriptedHttp::default().answer(401, body.to_string()));
            let error = exchange::<OAuth>(&with(section(), "client_auth", method), &world).unwrap_err();
            assert_eq!(error.provider_code(), Some("invalid_client"));
            let shown = format!("{} {:?}", chain(&error).join(" "), error.hints());
            assert!(!shown.contains(quoted) && shown.contains("no description"), "{shown}");
        }
    }
}
