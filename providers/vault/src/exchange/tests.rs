use carnet_core::{
    AccessToken, Credential, ErrorKind, Material, Request, ScriptedHttp, Secret, SecretBytes, X509Identity,
};
use serde_json::{Value, json};

use crate::{
    config::{Vault, VaultUnwrap},
    deliver::VaultSecrets,
    testing::{ADDRESS, NOW, deliver, exchange, jwt, login, token, world},
};

fn section() -> Value {
    json!({ "address": ADDRESS, "namespace": "team", "role": "app" })
}

fn secret(credential: &Credential) -> &str {
    super::token(credential).unwrap().expose()
}

#[test]
fn a_jwt_logs_in_as_vault_s_clients_do() {
    let world = world(ScriptedHttp::default().answer(200, login("hvs.a", 3600, true)), &[]);
    let made = exchange::<Vault>(section(), &[jwt()], &world).remove(0).unwrap();
    assert_eq!((secret(&made), made.expires_at.unwrap().as_second()), ("hvs.a", NOW + 3600));
    assert_eq!((made.facts["accessor"].as_str(), made.facts["address"].as_str()), ("acc", ADDRESS));
    let request = world.http.requests().remove(0);
    assert_eq!(request.url.as_str(), "https://vault.example:8200/v1/auth/jwt/login");
    assert_eq!(request.headers["x-vault-request"], "true");
    assert_eq!(request.headers["x-vault-namespace"], "team");
    assert!(!request.headers.contains_key("x-vault-token"));
    assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap(), json!({ "role": "app", "jwt": "h.p.s" }));
}

#[test]
fn the_address_comes_from_variables_and_openbao_s_go_first() {
    let variables =
        [("VAULT_ADDR", "http://127.0.0.1:1"), ("BAO_ADDR", "http://127.0.0.1:2/"), ("VAULT_NAMESPACE", "ns/")];
    let world = world(ScriptedHttp::default().answer(200, login("hvs.a", 60, false)), &variables);
    exchange::<Vault>(json!({}), &[jwt()], &world).remove(0).unwrap();
    let request = world.http.requests().remove(0);
    assert_eq!(request.url.as_str(), "http://127.0.0.1:2/v1/auth/jwt/login");
    assert_eq!(request.headers["x-vault-namespace"], "ns");
}

#[test]
fn rejects_login_without_address_and_address_without_tls() {
    for variables in [&[][..], &[("VAULT_ADDR", "http://vault.example")][..]] {
        let world = world(ScriptedHttp::default(), variables);
        let error = exchange::<Vault>(json!({}), &[jwt()], &world).remove(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(world.http.requests().is_empty());
    }
}

#[test]
fn a_token_is_renewed_while_that_gains_time_and_then_logged_in_anew() {
    let http = ScriptedHttp::default().answer(200, login("hvs.a", 60, true)).answer(200, login("hvs.a", 120, true));
    let http = http.answer(200, login("hvs.a", 120, true)).answer(200, login("hvs.b", 60, true));
    let world = world(http, &[]);
    let mut section = section();
    section["renew"] = json!(true);
    let made = exchange::<Vault>(section, &[jwt(), jwt(), jwt()], &world);
    assert_eq!(made.iter().map(|made| secret(made.as_ref().unwrap())).collect::<Vec<_>>(), ["hvs.a", "hvs.a", "hvs.b"]);
    let paths: Vec<_> = world.http.requests().iter().map(|request| request.url.path().to_owned()).collect();
    assert_eq!(
        paths,
        ["/v1/auth/jwt/login", "/v1/auth/token/renew-self", "/v1/auth/token/renew-self", "/v1/auth/jwt/login"]
    );
}

#[test]
fn another_subject_never_gets_the_held_token() {
    let world =
        world(ScriptedHttp::default().answer(200, login("hvs.a", 60, true)).answer(200, login("hvs.b", 60, true)), &[]);
    let mut section = section();
    section["renew"] = json!(true);
    let made = exchange::<Vault>(section, &[jwt(), jwt().fact("subject", "other")], &world);
    assert_eq!(secret(made[1].as_ref().unwrap()), "hvs.b");
}

const WRAPPED: &str =
    r#"{"auth":null,"wrap_info":{"token":"hvs.w","accessor":"a","ttl":300,"creation_path":"auth/jwt/login"}}"#;

#[test]
fn a_wrapped_login_gives_the_wrapping_token() {
    let world = world(ScriptedHttp::default().answer(200, WRAPPED), &[]);
    let mut section = section();
    section["wrap_ttl"] = json!("5m");
    let made = exchange::<Vault>(section, &[jwt()], &world).remove(0).unwrap();
    assert_eq!((secret(&made), made.facts["token_type"].as_str()), ("hvs.w", "wrapping"));
    assert_eq!(world.http.requests()[0].headers["x-vault-wrap-ttl"], "300");
}

#[test]
fn rejects_wrapped_answer_that_nobody_asked_for() {
    let world = world(ScriptedHttp::default().answer(200, WRAPPED), &[]);
    assert_eq!(exchange::<Vault>(section(), &[jwt()], &world).remove(0).unwrap_err().kind(), ErrorKind::Unreachable);
}

#[test]
fn rejects_token_that_would_end_its_header() {
    for answer in [login("hvs.a\r\nX-Evil: 1", 60, true), login("hvs.a b", 60, true), login("hvs.\u{e9}", 60, true)] {
        let world = world(ScriptedHttp::default().answer(200, answer), &[]);
        let error = exchange::<Vault>(section(), &[jwt()], &world).remove(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(!format!("{error:?}").contains("hvs."), "{error:?}");
    }
}

#[test]
fn unwrapping_looks_at_the_origin_first() {
    let origin = |path: &str| json!({ "data": { "creation_path": path, "creation_ttl": 300 } }).to_string();
    let section = || json!({ "creation_path": "auth/jwt/login" });
    let good =
        world(ScriptedHttp::default().answer(200, origin("auth/jwt/login")).answer(200, login("hvs.a", 60, true)), &[]);
    assert_eq!(secret(exchange::<VaultUnwrap>(section(), &[token()], &good)[0].as_ref().unwrap()), "hvs.a");
    let bad = world(ScriptedHttp::default().answer(200, origin("cubbyhole/response")), &[]);
    let error = exchange::<VaultUnwrap>(section(), &[token()], &bad).remove(0).unwrap_err();
    assert_eq!(
        (error.kind(), error.failed_clause(), bad.http.requests().len()),
        (ErrorKind::Policy, Some("wrapping"), 1)
    );
}

#[test]
fn rejects_refusals_with_clause_and_fix_and_without_the_token() {
    let body = r#"{"errors":["error validating token: invalid audience (aud) claim: audience claim does not match any expected audience"]}"#;
    let world = world(ScriptedHttp::default().answer(400, body), &[]);
    let error = exchange::<Vault>(section(), &[jwt()], &world).remove(0).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("audience")));
    assert!(error.hints()[0].contains("bound_audiences") && !format!("{error:?}").contains("h.p.s"));
}

#[test]
fn no_refusal_repeats_the_token_whoever_was_shown_it() {
    let opaque = || Secret::new("opaque-0123456789abcdefghij-token");
    let jwt = Credential::new(Material::Jwt(opaque()));
    let token = AccessToken { token: opaque(), token_type: "Bearer".to_owned() };
    let token = Credential::new(Material::AccessToken(token)).fact("address", ADDRESS);
    let body = json!({ "errors": [format!("no such thing: {}", opaque().expose())] }).to_string();
    let refusing = || world(ScriptedHttp::default().answer(400, body.as_str()), &[]);
    let origin = json!({ "creation_path": "auth/jwt/login" });
    let read = json!({ "secrets": [{ "mount": "kv", "path": "db", "engine": 1, "file": "/run/db" }] });
    let errors = [
        exchange::<Vault>(section(), &[jwt], &refusing()).remove(0).unwrap_err(),
        exchange::<VaultUnwrap>(origin, std::slice::from_ref(&token), &refusing()).remove(0).unwrap_err(),
        deliver::<VaultSecrets>(read, &token, &refusing()).unwrap_err(),
    ];
    for error in errors {
        let shown = format!("{error:?} {:?}", error.hints());
        assert!(!shown.contains("0123") && shown.contains("is not shown"), "{shown}");
    }
}

fn certificate(der: u8) -> Credential {
    let identity = X509Identity { chain: vec![vec![der]], private_key: SecretBytes::new(b"key"), bundle: Vec::new() };
    Credential::new(Material::X509(identity))
}

fn shown(request: &Request) -> Option<u8> {
    request.identity.as_ref().map(|identity| identity.chain[0][0])
}

#[test]
fn a_certificate_is_shown_to_the_server_and_names_its_role() {
    let world = world(ScriptedHttp::default().answer(200, login("hvs.a", 3600, true)), &[]);
    let mut section = section();
    section["method"] = json!("cert");
    let made = exchange::<Vault>(section, &[certificate(1)], &world).remove(0).unwrap();
    assert_eq!(secret(&made), "hvs.a");
    let request = world.http.requests().remove(0);
    assert_eq!((request.url.path(), shown(&request)), ("/v1/auth/cert/login", Some(1)));
    assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap(), json!({ "name": "app" }));
}

#[test]
fn a_login_by_certificate_is_renewed_with_that_certificate_and_by_no_other() {
    let http = ScriptedHttp::default().answer(200, login("hvs.a", 60, true)).answer(200, login("hvs.a", 120, true));
    let world = world(http.answer(200, login("hvs.b", 60, true)), &[]);
    let section = json!({ "address": ADDRESS, "method": "cert", "renew": true });
    let made = exchange::<Vault>(section, &[certificate(1), certificate(1), certificate(2)], &world);
    assert_eq!(made.iter().map(|made| secret(made.as_ref().unwrap())).collect::<Vec<_>>(), ["hvs.a", "hvs.a", "hvs.b"]);
    let requests = world.http.requests();
    let seen: Vec<_> = requests.iter().map(|request| (request.url.path(), shown(request))).collect();
    assert_eq!(
        seen,
        [("/v1/auth/cert/login", Some(1)), ("/v1/auth/token/renew-self", Some(1)), ("/v1/auth/cert/login", Some(2))]
    );
}

#[test]
fn rejects_certificate_that_no_role_takes() {
    let body = r#"{"errors":["invalid certificate or no client certificate supplied"]}"#;
    let world = world(ScriptedHttp::default().answer(400, body), &[]);
    let section = json!({ "address": ADDRESS, "method": "cert" });
    let error = exchange::<Vault>(section, &[certificate(1)], &world).remove(0).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("certificate")));
    assert!(error.hints()[0].contains("a proxy that ends TLS"), "{:?}", error.hints());
}

#[test]
fn a_subject_that_cannot_be_told_apart_is_never_given_a_held_token() {
    let http = ScriptedHttp::default().answer(200, login("hvs.a", 60, true)).answer(200, login("hvs.b", 60, true));
    let world = world(http, &[]);
    let mut section = section();
    section["renew"] = json!(true);
    let nameless = || Credential::new(Material::Jwt(Secret::new("h.p.s")));
    let made = exchange::<Vault>(section, &[nameless(), nameless()], &world);
    assert_eq!(secret(made[1].as_ref().unwrap()), "hvs.b");
}
