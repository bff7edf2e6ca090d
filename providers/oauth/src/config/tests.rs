use carnet_core::Mistake;
use serde_json::{Value, json};

use super::*;
use crate::testing::{ISSUER, TOKEN_URL, mistakes, with};

fn section() -> Value {
    json!({ "token_url": TOKEN_URL })
}

fn told(section: &Value) -> Vec<(String, String)> {
    mistakes::<OAuth>(section).into_iter().map(|Mistake { field, message, .. }| (field, message)).collect()
}

fn one(section: &Value) -> (String, String) {
    let mut all = told(section);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn accepts_the_least_there_can_be() {
    for section in [section(), json!({ "issuer": ISSUER })] {
        let exchange = serde_json::from_value::<OAuth>(section).unwrap().build().unwrap();
        assert_eq!((exchange.takes(), exchange.gives()), (OAuth::TAKES, Kinds::of(&[Kind::AccessToken])));
    }
}

#[test]
fn what_it_gives_follows_what_is_asked_for() {
    let gives = |section: Value| serde_json::from_value::<OAuth>(section).unwrap().build().unwrap().gives();
    let (access, jwt) = (Kinds::of(&[Kind::AccessToken]), Kinds::of(&[Kind::Jwt]));
    for (kind, expected) in [("access-token", access), ("jwt", jwt), ("id-token", jwt), ("urn:x:y", access)] {
        assert_eq!(gives(with(section(), "requested_token_type", kind)), expected, "{kind}");
    }
    assert_eq!(gives(with(section(), "kind", "jwt")), jwt);
    assert_eq!(gives(with(with(section(), "requested_token_type", "jwt"), "kind", "access-token")), access);
}

/// One good section, bent in one place.
#[test]
fn rejects_each_mistake_at_its_field() {
    for (field, value, at, says) in [
        ("token_url", json!("http://sts.example/t"), "token_url", "is not https, and tokens are sent there"),
        ("issuer", json!(ISSUER), "token_url", "stands beside issuer"),
        ("metadata", json!("openid-configuration"), "metadata", "only applies to `issuer`"),
        ("token_origin", json!("https://x.example"), "token_origin", "only applies to `issuer`"),
        ("audiences", json!(["a", ""]), "audiences", "holds an empty one"),
        ("subject_audience", json!(""), "subject_audience", "is empty"),
        ("scopes", json!(["a b"]), "scopes", "holds an empty scope or several in one"),
        ("resources", json!(["api"]), "resources", "holds what is not an absolute URI without fragment"),
        ("resources", json!(["https://x#y"]), "resources", "holds what is not an absolute URI without fragment"),
        ("requested_token_type", json!("access_token"), "requested_token_type", "is not a token type"),
        ("subject_token_type", json!("saml"), "subject_token_type", "is not a token type"),
        ("actor_token_type", json!("jwt"), "actor_token_type", "stands without actor_token_file"),
        ("actor_token_file", json!(""), "actor_token_file", "is empty"),
        ("client_id", json!(""), "client_id", "is empty or has control characters"),
        ("client_secret", json!("s"), "client_id", "is missing beside the client secret"),
        ("client_secret_file", json!("/s"), "client_id", "is missing beside the client secret"),
        ("parameters", json!({"subject_token": "x"}), "parameters.subject_token", "is set by the exchange itself"),
        ("parameters", json!({"client_secret": "x"}), "parameters.client_secret", "is set by the exchange itself"),
    ] {
        assert_eq!(one(&with(section(), field, value)), (at.to_owned(), says.to_owned()));
    }
}

#[test]
fn rejects_a_section_that_says_no_address() {
    assert_eq!(one(&json!({})), (String::new(), "names neither token_url nor issuer".to_owned()));
}

#[test]
fn rejects_issuers_that_are_none() {
    for (issuer, says) in [("https://a.example?x", "has a query"), ("a.example", "is not an absolute URL")] {
        assert_eq!(one(&json!({ "issuer": issuer })), ("issuer".to_owned(), says.to_owned()));
    }
    let section = json!({"issuer": ISSUER, "token_origin": "https://x.example/token"});
    assert_eq!(one(&section), ("token_origin".to_owned(), "is more than an origin".to_owned()));
}

#[test]
fn rejects_fields_that_the_grant_does_not_know() {
    for grant in ["jwt-bearer", "client-credentials"] {
        for field in ["requested_token_type", "subject_token_type", "actor_token_file"] {
            let section = with(with(section(), "grant", grant), field, "jwt");
            let says = "only applies to the grant token-exchange".to_owned();
            assert_eq!(one(&section), (field.to_owned(), says), "{grant}");
        }
    }
}

#[test]
fn rejects_an_id_token_as_an_access_token() {
    let section = with(with(section(), "requested_token_type", "id-token"), "kind", "access-token");
    assert_eq!(one(&section).0, "kind");
}

#[test]
fn rejects_clients_that_do_not_fit_together() {
    let client = |more: Value| {
        let mut section = with(section(), "client_id", "app");
        section.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one(&section)
    };
    for (more, at, says) in [
        (
            json!({"client_secret": "s", "client_secret_file": "/s"}),
            "client_secret_file",
            "stands beside client_secret",
        ),
        (json!({"client_auth": "client_secret_post"}), "client_auth", "needs a client secret, and there is none"),
        (
            json!({"client_auth": "none", "client_secret": "s"}),
            "client_auth",
            "uses no client secret, and there is one",
        ),
        (
            json!({"client_auth": "private_key_jwt", "client_secret": "s"}),
            "client_auth",
            "uses no client secret, and there is one",
        ),
        (
            json!({"grant": "client-credentials", "client_secret": "s"}),
            "client_auth",
            "leaves the credential out: client-credentials shows it only as the client's assertion",
        ),
    ] {
        assert_eq!(client(more), (at.to_owned(), says.to_owned()));
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let section = json!({"scopes": [""], "resources": ["x"], "client_secret": "s", "requested_token_type": "x"});
    let fields: Vec<String> = told(&section).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["", "scopes", "resources", "requested_token_type", "client_id"]);
}

#[test]
fn rejects_unknown_fields() {
    assert!(serde_json::from_value::<OAuth>(with(section(), "audience", "x")).is_err());
}
