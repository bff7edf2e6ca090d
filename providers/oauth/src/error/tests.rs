use carnet_core::{ScriptedHttp, chain};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    OAuth,
    testing::{SUBJECT, TOKEN_URL, exchange, exchange_for, opaque, world},
};

fn refused_with(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Error {
    let section =
        json!({"token_url": TOKEN_URL, "audiences": ["api"], "scopes": ["read"], "resources": ["https://r.example/"]});
    let world = world(ScriptedHttp::default().answer_with(status, headers, body));
    let error = exchange::<OAuth>(&section, &world).unwrap_err();
    assert_eq!(world.http.requests().len(), 1, "nothing is sent twice, and no redirect is followed");
    error
}

fn refused(status: u16, code: &str, description: &str) -> Error {
    refused_with(status, &[], &json!({"error": code, "error_description": description}).to_string())
}

#[test]
fn each_code_tells_kind_clause_and_fix() {
    use ErrorKind::{Expired, Policy, Refused, Unreachable};
    let issuer = "iss https://issuer.example";
    for (status, code, kind, clause, hint) in [
        (400, "invalid_grant", Refused, "subject-token", issuer),
        (400, "invalid_target", Refused, "target", "audience: api; resource: https://r.example/"),
        (400, "invalid_scope", Refused, "scope", "the scope asked for was read"),
        (401, "invalid_client", Refused, "client", "check `client_id`"),
        (400, "unauthorized_client", Policy, "client", "be allowed this grant"),
        (403, "access_denied", Policy, "policy", "a rule of the other side denies it"),
        (400, "invalid_request", Refused, "request", "a token that is not accepted"),
        (400, "unsupported_grant_type", Refused, "grant", "does not offer this grant"),
        (400, "something_of_its_own", Refused, "request", issuer),
        (400, "temporarily_unavailable", Unreachable, "unavailable", "may succeed later"),
        (500, "server_error", Unreachable, "unavailable", "may succeed later"),
        (503, "invalid_grant", Unreachable, "unavailable", "may succeed later"),
        (429, "slow_down", Unreachable, "rate-limit", "too many requests"),
    ] {
        let error = refused(status, code, "as it says");
        assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)), "{code}");
        assert_eq!(error.provider_code(), Some(code));
        assert!(chain(&error).contains(&format!("{code}: as it says")), "{error:?}");
        assert!(error.hints().join("\n").contains(hint), "{code}: {:?}", error.hints());
    }
    let error = refused(400, "invalid_grant", "Token Expired at noon");
    assert_eq!((error.kind(), error.failed_clause()), (Expired, Some("expired")));
}

#[test]
fn what_was_shown_is_told_as_far_as_it_is_known() {
    let hints = refused(400, "invalid_grant", "no").hints().join("\n");
    assert!(hints.contains(&format!("sub {SUBJECT}, aud https://sts.example")), "{hints}");
    let body = r#"{"error":"invalid_grant"}"#;
    let world = world(ScriptedHttp::default().answer(400, body));
    let error = exchange_for::<OAuth>(&json!({"token_url": TOKEN_URL}), &world, &opaque("shown"), None).unwrap_err();
    assert_eq!(error.hints()[0], "the token shown has iss not known, sub not known, aud not known");
}

#[test]
fn the_wait_that_the_service_asks_for_is_passed_on() {
    for (value, seconds) in [
        ("30", Some(30)),
        ("Sat, 21 Nov 2026 12:01:00 GMT", Some(60)),
        ("Sat, 21 Nov 2026 11:00:00 GMT", None),
        ("0", None),
        ("99999999999", None),
        ("soon", None),
    ] {
        let error = refused_with(429, &[("retry-after", value)], "");
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Unreachable, Some("rate-limit")));
        let told = error.hints().first().and_then(|hint| {
            hint.strip_prefix("the service asks to wait ")?.strip_suffix(" s before the next attempt")?.parse().ok()
        });
        assert_eq!(told, seconds, "{value}");
    }
}

#[test]
fn an_answer_without_a_code_is_not_a_refusal() {
    for status in [400, 401, 403, 404] {
        let error = refused_with(status, &[], "<html>token eyJhbGciOi.x.y</html>");
        assert_eq!(
            error.to_string(),
            format!("exchange the token at sts.example: HTTP {status} without an error code")
        );
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(!format!("{error:?}").contains("html"));
    }
}

#[test]
fn redirects_are_not_followed() {
    let error = refused_with(307, &[("location", "https://evil.example/token")], "");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.hints(), ["redirects are not followed: tokens are sent only where the configuration says"]);
}

#[test]
fn nothing_of_a_foreign_body_passes_but_code_and_description() {
    let body = json!({"error": "invalid_grant", "error_description": "bad\u{1b}[31m token eyJhbGciOi.x.y", "access_token": "leaked"});
    let error = refused_with(400, &[], &body.to_string());
    let shown = format!("{} {:?}", chain(&error).join(" "), error.hints());
    assert!(shown.contains("invalid_grant: bad [31m token [redacted]"), "{shown}");
    assert!(!shown.contains("leaked") && !shown.contains("eyJ"), "{shown}");
}

#[test]
fn what_was_sent_is_not_shown_as_it_was_in_the_form() {
    let (subject, actor, secret) = ("a/b=c/d=e/f=g/h=i/j=", "k/l=m/n=o/p=q/r=s/t=", "p%/w");
    let form = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    for (sent, echoed) in
        [subject, actor, secret].into_iter().flat_map(|sent| [(sent, sent.to_owned()), (sent, form(sent))])
    {
        let body = json!({"error": "invalid_grant", "error_description": format!("no {echoed} here")}).to_string();
        let world = world(ScriptedHttp::default().answer(400, body.as_str()));
        world.files.put("/actor", actor);
        world.files.put("/secret", secret);
        let section = json!({"token_url": TOKEN_URL, "actor_token_file": "/actor", "client_id": "app", "client_secret_file": "/secret"});
        let error = exchange_for::<OAuth>(&section, &world, &opaque(subject), None).unwrap_err();
        assert_eq!(chain(&error)[1], "invalid_grant: no description", "{sent}");
    }
}

#[test]
fn what_is_no_code_is_not_taken_for_one() {
    for code in ["", "two words", &"x".repeat(65)] {
        assert_eq!(parse_error(json!({ "error": code }).to_string().as_bytes()), OAuthError::default(), "{code}");
    }
    assert_eq!(parse_error(br#"{"error":{"code":1}}"#), OAuthError::default());
}

proptest! {
    #[test]
    fn never_panics_and_shows_no_control_character(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(parse_error(&body));
    }

    #[test]
    fn what_is_shown_is_safe(code in ".{0,80}", description in ".{0,400}") {
        let read = parse_error(json!({"error": code, "error_description": description}).to_string().as_bytes());
        for text in read.code.iter().chain(&read.description) {
            prop_assert!(!text.chars().any(char::is_control) && !text.is_empty());
        }
        prop_assert!(read.code.is_none_or(|code| code.len() <= MAX_CODE));
    }
}
