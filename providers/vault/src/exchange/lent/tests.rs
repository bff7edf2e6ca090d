use carnet_core::{ErrorKind, Exchange, ExchangeConfig, FixedClock, Material, ScriptedHttp, SecretBytes, Want};
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::*;
use crate::{
    config::{Vault, VaultUnwrap},
    testing::{ADDRESS, World, jwt, login, token, world},
};

fn build<C: ExchangeConfig>(section: Value) -> Arc<dyn Exchange> {
    serde_json::from_value::<C>(section).unwrap().build().unwrap()
}

/// The exchange `vault`, which gives its tokens back then.
fn vault(revoke: &str) -> Arc<dyn Exchange> {
    build::<Vault>(json!({ "address": ADDRESS, "namespace": "team", "role": "app", "revoke": revoke }))
}

fn obtain(exchange: &dyn Exchange, subject: &Credential, world: &World) -> Credential {
    exchange.exchange(&world.context, subject, &Want::default()).now_or_never().expect("nothing here waits").unwrap()
}

fn release(exchange: &dyn Exchange, which: Release<'_>, world: &World) -> Result<(), Error> {
    exchange.release(&world.context, which).now_or_never().expect("nothing here waits")
}

/// A server that gives these tokens one after the other, and then answers so.
fn server<const N: usize>(tokens: [&str; N], answers: &[(u16, &str)]) -> World {
    let given = tokens.iter().fold(ScriptedHttp::default(), |http, token| http.answer(200, login(token, 3600, true)));
    world(answers.iter().fold(given, |http, (status, body)| http.answer(*status, *body)), &[])
}

/// The tokens that were given back, in order.
fn given_back(world: &World) -> Vec<String> {
    let requests = world.http.requests();
    let revocations = requests.iter().filter(|request| request.url.path() == "/v1/auth/token/revoke-self");
    revocations.map(|request| request.headers["x-vault-token"].to_str().unwrap().to_owned()).collect()
}

#[test]
fn all_tokens_are_given_back_once_to_the_server_and_namespace_that_gave_them() {
    let world = server(["hvs.a", "hvs.b"], &[(204, ""), (204, "")]);
    let exchange = build::<Vault>(json!({ "address": ADDRESS, "namespace": "team", "revoke": "end" }));
    obtain(&*exchange, &jwt(), &world);
    obtain(&*exchange, &jwt(), &world);
    for _ in 0..2 {
        release(&*exchange, Release::All, &world).unwrap();
    }
    assert_eq!(given_back(&world), ["hvs.a", "hvs.b"]);
    let last = world.http.requests().pop().unwrap();
    assert_eq!((last.method.as_str(), last.url.host_str()), ("POST", Some("vault.example")));
    assert_eq!(last.headers["x-vault-namespace"], "team");
}

#[test]
fn a_token_that_was_replaced_is_given_back_only_where_that_is_wanted() {
    for (revoke, wanted) in [("replaced", vec!["hvs.a"]), ("end", Vec::new()), ("never", Vec::new())] {
        let world = server(["hvs.a", "hvs.b", "hvs.c"], &[(204, "")]);
        let exchange = vault(revoke);
        obtain(&*exchange, &jwt(), &world);
        let second = obtain(&*exchange, &jwt(), &world);
        // It is not delivered yet, so that nobody has it.
        obtain(&*exchange, &jwt(), &world);
        release(&*exchange, Release::Before(&token()), &world).unwrap();
        assert_eq!(given_back(&world), [""; 0], "{revoke}: a credential of somebody else replaces nothing");
        release(&*exchange, Release::Before(&second), &world).unwrap();
        assert_eq!(given_back(&world), wanted, "{revoke}");
    }
}

#[test]
fn a_token_that_nobody_wants_given_back_is_left() {
    for revoke in [None, Some("never")] {
        let world = server(["hvs.a"], &[]);
        let exchange = build::<Vault>(json!({ "address": ADDRESS, "revoke": revoke }));
        obtain(&*exchange, &jwt(), &world);
        release(&*exchange, Release::All, &world).unwrap();
        assert_eq!(given_back(&world), [""; 0], "{revoke:?}");
        let origin = r#"{"data":{"creation_path":"auth/jwt/login"}}"#;
        let http = ScriptedHttp::default().answer(200, origin).answer(200, login("hvs.b", 60, true));
        let unwrapping = self::world(http, &[]);
        let exchange = build::<VaultUnwrap>(json!({ "creation_path": "auth/jwt/login", "revoke": revoke }));
        obtain(&*exchange, &token(), &unwrapping);
        release(&*exchange, Release::All, &unwrapping).unwrap();
        assert_eq!(given_back(&unwrapping), [""; 0], "{revoke:?}");
    }
}

#[test]
fn a_token_that_is_renewed_is_one_and_is_not_renewed_when_it_was_given_back() {
    let (renewed, other) = (login("hvs.a", 7200, true), login("hvs.b", 60, true));
    let world = server(["hvs.a"], &[(200, renewed.as_str()), (204, ""), (200, other.as_str())]);
    let exchange = build::<Vault>(json!({ "address": ADDRESS, "renew": true, "revoke": "end" }));
    obtain(&*exchange, &jwt(), &world);
    obtain(&*exchange, &jwt(), &world);
    release(&*exchange, Release::All, &world).unwrap();
    assert_eq!(given_back(&world), ["hvs.a"]);
    obtain(&*exchange, &jwt(), &world);
    assert_eq!(world.http.requests().pop().unwrap().url.path(), "/v1/auth/jwt/login");
}

#[test]
fn a_token_that_a_delivery_gives_back_is_forgotten() {
    let world = server(["hvs.a", "hvs.b"], &[(204, "")]);
    let exchange = build::<Vault>(json!({ "address": ADDRESS, "renew": true, "revoke": "end" }));
    let first = obtain(&*exchange, &jwt(), &world);
    exchange.forget(&first);
    obtain(&*exchange, &jwt(), &world);
    release(&*exchange, Release::All, &world).unwrap();
    assert_eq!(given_back(&world), ["hvs.b"]);
}

#[test]
fn a_batch_token_is_left_and_whoever_asked_for_its_return_is_told() {
    let batch = login("hvb.a", 60, false).replace("service", "batch");
    for (revoke, told) in [(None, false), (Some("never"), false), (Some("end"), true), (Some("replaced"), true)] {
        let world = world(ScriptedHttp::default().answer(200, batch.as_str()), &[]);
        let exchange = build::<Vault>(json!({ "address": ADDRESS, "revoke": revoke }));
        let made = obtain(&*exchange, &jwt(), &world);
        assert_eq!(made.facts.get("warning").is_some_and(|text| text.contains("batch token")), told, "{revoke:?}");
        release(&*exchange, Release::All, &world).unwrap();
        assert_eq!(given_back(&world), [""; 0]);
    }
}

#[test]
fn a_wrapped_token_belongs_to_whoever_unwraps_it() {
    let wrapped = r#"{"wrap_info":{"token":"hvs.w","accessor":"a","ttl":300,"creation_path":"auth/jwt/login"}}"#;
    let wrapping = world(ScriptedHttp::default().answer(200, wrapped), &[]);
    let exchange = build::<Vault>(json!({ "address": ADDRESS, "wrap_ttl": "5m" }));
    obtain(&*exchange, &jwt(), &wrapping);
    release(&*exchange, Release::All, &wrapping).unwrap();
    assert_eq!(given_back(&wrapping), [""; 0]);
    let origin = r#"{"data":{"creation_path":"auth/jwt/login"}}"#;
    let http = ScriptedHttp::default().answer(200, origin).answer(200, login("hvs.a", 60, true)).answer(204, "");
    let unwrapping = world(http, &[]);
    let exchange = build::<VaultUnwrap>(json!({ "creation_path": "auth/jwt/login", "revoke": "end" }));
    obtain(&*exchange, &token(), &unwrapping);
    release(&*exchange, Release::All, &unwrapping).unwrap();
    assert_eq!(given_back(&unwrapping), ["hvs.a"]);
}

#[test]
fn a_token_that_has_ended_is_not_given_back() {
    let world = server(["hvs.a"], &[]);
    let exchange = vault("end");
    let made = obtain(&*exchange, &jwt(), &world);
    let clock = Arc::new(FixedClock::at(made.expires_at.unwrap()));
    let later = Context { clock, ..world.context.clone() };
    exchange.release(&later, Release::All).now_or_never().unwrap().unwrap();
    assert_eq!(given_back(&world), [""; 0]);
}

#[test]
fn a_login_by_certificate_is_given_back_with_it() {
    let identity = X509Identity { chain: vec![vec![7]], private_key: SecretBytes::new(b"key"), bundle: Vec::new() };
    let world = server(["hvs.a"], &[(204, "")]);
    let exchange = build::<Vault>(json!({ "address": ADDRESS, "method": "cert", "revoke": "end" }));
    obtain(&*exchange, &Credential::new(Material::X509(identity)), &world);
    release(&*exchange, Release::All, &world).unwrap();
    assert_eq!(given_back(&world), ["hvs.a"]);
    let last = world.http.requests().pop().unwrap();
    assert_eq!(last.identity.as_ref().map(|identity| identity.chain[0][0]), Some(7));
}

const DENIED: &str = r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;

#[test]
fn what_fails_keeps_no_other_from_it_and_is_tried_again() {
    let world = server(["hvs.a", "hvs.b"], &[(403, DENIED), (204, ""), (204, "")]);
    let exchange = vault("end");
    obtain(&*exchange, &jwt(), &world);
    obtain(&*exchange, &jwt(), &world);
    let error = release(&*exchange, Release::All, &world).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("permission")));
    let hints = error.hints().join("\n");
    assert!(hints.contains("auth/token/revoke-self") && hints.contains("2026-11-21T13:00:00Z"), "{hints}");
    assert!(!format!("{error:?} {hints}").contains("hvs."));
    release(&*exchange, Release::All, &world).unwrap();
    assert_eq!(given_back(&world), ["hvs.a", "hvs.b", "hvs.a"]);
}

#[test]
fn a_token_that_the_server_does_not_know_any_more_is_given_back() {
    let gone = r#"{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}"#;
    let world = server(["hvs.a"], &[(403, gone)]);
    let exchange = vault("end");
    obtain(&*exchange, &jwt(), &world);
    release(&*exchange, Release::All, &world).unwrap();
    assert_eq!(given_back(&world), ["hvs.a"]);
}

#[test]
fn who_obtains_without_end_leaves_the_oldest_to_their_own() {
    let names: Vec<String> = (0..=MOST).map(|at| format!("hvs.{at}")).collect();
    let given = names.iter().fold(ScriptedHttp::default(), |http, name| http.answer(200, login(name, 3600, true)));
    let world = world((0..MOST).fold(given, |http, _| http.answer(204, "")), &[]);
    let exchange = vault("end");
    for _ in &names {
        obtain(&*exchange, &jwt(), &world);
    }
    release(&*exchange, Release::All, &world).unwrap();
    assert_eq!(given_back(&world), names[1..]);
}
