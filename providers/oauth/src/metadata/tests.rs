use carnet_core::{ScriptedHttp, chain};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    OAuth,
    testing::{ISSUER, World, exchange, with, world},
};

const ANSWER: &str =
    r#"{"access_token":"t","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer"}"#;

fn document() -> Value {
    json!({"issuer": ISSUER, "token_endpoint": "https://sts.example/tenant/token?v=2", "grant_types_supported": []})
}

fn section() -> Value {
    json!({ "issuer": ISSUER })
}

fn found(status: u16, document: &Value) -> World {
    world(ScriptedHttp::default().answer(status, document.to_string()).answer(200, ANSWER))
}

fn urls(world: &World) -> Vec<String> {
    world.http.requests().iter().map(|request| format!("{} {}", request.method, request.url)).collect()
}

#[test]
fn the_document_stands_where_the_standard_puts_it() {
    use MetadataForm::{OauthAuthorizationServer as OAuth, OpenidConfiguration as OpenId};
    for (form, issuer, expected) in [
        (OAuth, "https://a.example", "https://a.example/.well-known/oauth-authorization-server"),
        (OAuth, "https://a.example/", "https://a.example/.well-known/oauth-authorization-server"),
        (OAuth, "https://a.example/t/1", "https://a.example/.well-known/oauth-authorization-server/t/1"),
        (OAuth, "https://a.example/t/", "https://a.example/.well-known/oauth-authorization-server/t"),
        (OpenId, "https://a.example:8443", "https://a.example:8443/.well-known/openid-configuration"),
        (OpenId, "https://a.example/t/1", "https://a.example/t/1/.well-known/openid-configuration"),
        (OpenId, "https://a.example/t/", "https://a.example/t/.well-known/openid-configuration"),
    ] {
        assert_eq!(form.url(&issuer.parse().unwrap()).as_str(), expected);
    }
}

#[test]
fn the_token_goes_to_the_endpoint_that_the_document_names() {
    let world = found(200, &document());
    let made = exchange::<OAuth>(&section(), &world).unwrap();
    assert_eq!(made.facts["issuer"], ISSUER);
    assert_eq!(
        urls(&world),
        [
            "GET https://sts.example/.well-known/oauth-authorization-server/tenant",
            "POST https://sts.example/tenant/token?v=2"
        ]
    );
    assert!(world.http.requests()[0].body.is_empty(), "nothing secret goes to the document");
}

#[test]
fn the_other_document_is_read_where_the_first_does_not_exist() {
    let http = ScriptedHttp::default().answer(404, "").answer(200, document().to_string()).answer(200, ANSWER);
    let world = world(http);
    exchange::<OAuth>(&section(), &world).unwrap();
    assert_eq!(urls(&world)[1], "GET https://sts.example/tenant/.well-known/openid-configuration");
}

#[test]
fn only_the_document_that_is_named_is_read() {
    let world = found(404, &json!({}));
    let error = exchange::<OAuth>(&with(section(), "metadata", "openid-configuration"), &world).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("issuer")));
    assert_eq!(urls(&world), ["GET https://sts.example/tenant/.well-known/openid-configuration"]);
}

#[test]
fn an_issuer_without_documents_is_told_with_both_addresses() {
    let world = world(ScriptedHttp::default().answer(404, "").answer(404, ""));
    let error = exchange::<OAuth>(&section(), &world).unwrap_err();
    assert!(chain(&error)[1].contains("tenant nor at https://sts.example/tenant/.well-known"), "{error:?}");
}

/// Nothing is sent to an endpoint whose document is not right in every point.
#[test]
fn rejects_documents_bent_in_one_place() {
    use ErrorKind::{Refused, Unreachable};
    for (name, value, kind, clause, says) in [
        ("issuer", json!("https://sts.example/tenant/"), Refused, Some("issuer"), "is of issuer"),
        ("issuer", json!("https://STS.example/tenant"), Refused, Some("issuer"), "is of issuer"),
        ("issuer", json!(7), Unreachable, None, "is not JSON with `issuer`"),
        ("token_endpoint", json!(null), Unreachable, None, "names no `token_endpoint`"),
        ("token_endpoint", json!("/token"), Unreachable, None, "not an absolute URL"),
        ("token_endpoint", json!("http://sts.example/token"), Refused, Some("token-endpoint"), "is not https"),
        ("token_endpoint", json!("https://u@sts.example/t"), Refused, Some("token-endpoint"), "carries a user name"),
        ("token_endpoint", json!("https://sts.example/t#x"), Refused, Some("token-endpoint"), "has a fragment"),
        ("token_endpoint", json!("https://evil.example/t"), Refused, Some("token-endpoint"), "not where the issuer is"),
        (
            "token_endpoint",
            json!("https://sts.example:8443/t"),
            Refused,
            Some("token-endpoint"),
            "not where the issuer is",
        ),
        ("token_endpoint", json!("http://127.0.0.1:9/t"), Refused, Some("token-endpoint"), "not where the issuer is"),
    ] {
        let world = found(200, &with(document(), name, value.clone()));
        let error = exchange::<OAuth>(&section(), &world).unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (kind, clause), "{name} {value}");
        assert!(chain(&error).join(": ").contains(says), "{name} {value}: {error:?}");
        assert_eq!(world.http.requests().len(), 1, "{name} {value}");
    }
}

#[test]
fn a_document_that_names_its_issuer_twice_is_refused() {
    let twice = format!(r#"{{"issuer":"{ISSUER}","issuer":"{ISSUER}","token_endpoint":"https://sts.example/t"}}"#);
    assert_eq!(parse_metadata(twice.as_bytes(), ISSUER).unwrap_err().kind(), ErrorKind::Unreachable);
}

#[test]
fn another_origin_needs_to_be_configured() {
    let document = with(document(), "token_endpoint", "https://oauth2.example/t");
    let section = with(section(), "token_origin", "https://oauth2.example");
    exchange::<OAuth>(&section, &found(200, &document)).unwrap();
    let other = with(section, "token_origin", "https://oauth3.example");
    let error = exchange::<OAuth>(&other, &found(200, &document)).unwrap_err();
    assert_eq!(error.hints(), ["if it is right there, set `token_origin = \"https://oauth2.example\"`"]);
}

#[test]
fn statuses_are_told_apart_and_redirects_are_not_followed() {
    for (status, kind, hint) in [
        (302, ErrorKind::Unreachable, Some("redirects are not followed; configure the issuer that it leads to")),
        (403, ErrorKind::Refused, Some("the document must be readable without signing in")),
        (500, ErrorKind::Unreachable, None),
    ] {
        let http = ScriptedHttp::default().answer_with(status, &[("location", "https://evil.example/")], "");
        let world = world(http);
        let error = exchange::<OAuth>(&section(), &world).unwrap_err();
        assert_eq!((error.kind(), error.hints().first().copied()), (kind, hint), "{status}");
        assert_eq!(world.http.requests().len(), 1, "{status}");
    }
}

proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200), issuer in ".{0,20}") {
        drop(parse_metadata(&body, &issuer));
    }

    #[test]
    fn only_the_very_issuer_is_believed(named in "[a-z/:.]{0,12}", asked in "[a-z/:.]{0,12}") {
        let body = json!({"issuer": named, "token_endpoint": "https://a.example/t"}).to_string();
        prop_assert_eq!(parse_metadata(body.as_bytes(), &asked).is_ok(), named == asked);
    }
}
