use carnet_core::{ErrorKind, HttpErrorKind, ScriptedHttp, chain};
use serde_json::{Value, json};

use super::*;
use crate::testing::{
    ISSUER, NOW, SUBJECT, TOKEN_URL, exchange, exchange_for, field, form, opaque, secret, subject, subject_token,
    token, with, world,
};

const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

fn section() -> Value {
    json!({ "token_url": TOKEN_URL })
}

fn answer() -> Value {
    json!({"access_token": "opaque-token", "issued_token_type": ACCESS, "token_type": "Bearer", "expires_in": 3599})
}

fn http(answer: &Value) -> ScriptedHttp {
    ScriptedHttp::default().answer(200, answer.to_string())
}

/// A JWT for the next step.
fn issued(audience: &str) -> Secret {
    token(&json!({"iss": ISSUER, "sub": "reader", "aud": audience, "exp": NOW + 600}))
}

fn issued_answer(kind: &str, audience: &str) -> Value {
    json!({"access_token": issued(audience).expose(), "issued_token_type": kind, "token_type": "N_A"})
}

#[test]
fn token_exchange_sends_the_form_of_the_standard() {
    let world = world(http(&answer()));
    let section = with(section(), "audiences", json!(["a", "b"]));
    let section = with(section, "resources", json!(["https://api.example/"]));
    let section = with(section, "scopes", json!(["read", "write"]));
    let section = with(section, "requested_token_type", "access-token");
    let made = exchange::<OAuth>(&section, &world).unwrap();
    assert_eq!((secret(&made), made.expires_at.unwrap().as_second()), ("opaque-token", NOW + 3599));
    assert_eq!((made.facts["audience"].as_str(), made.facts["scope"].as_str()), ("a b", "read write"));
    let request = world.http.requests().remove(0);
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", TOKEN_URL));
    assert_eq!(request.headers["accept"], "application/json");
    assert!(!request.headers.contains_key("authorization"));
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", subject_token().expose()),
        ("subject_token_type", JWT),
        ("audience", "a"),
        ("audience", "b"),
        ("resource", "https://api.example/"),
        ("scope", "read write"),
        ("requested_token_type", ACCESS),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form(&request), expected);
}

#[test]
fn an_access_token_is_announced_as_one_unless_it_is_said_otherwise() {
    for (section, expected) in [
        (section(), ACCESS),
        (with(section(), "subject_token_type", "id-token"), "urn:ietf:params:oauth:token-type:id_token"),
        (with(section(), "subject_token_type", "urn:x:y"), "urn:x:y"),
    ] {
        let world = world(http(&answer()));
        exchange_for::<OAuth>(&section, &world, &opaque("shown"), None).unwrap();
        let request = world.http.requests().remove(0);
        assert_eq!(field(&request, "subject_token").as_deref(), Some("shown"));
        assert_eq!(field(&request, "subject_token_type").as_deref(), Some(expected));
    }
}

#[test]
fn the_audience_flows_backwards_unless_it_is_configured() {
    let sent = |section: &Value| {
        let world = world(http(&answer()));
        exchange_for::<OAuth>(section, &world, &subject(), Some("next")).unwrap();
        field(&world.http.requests()[0], "audience")
    };
    assert_eq!(sent(&section()).as_deref(), Some("next"));
    assert_eq!(sent(&with(section(), "audiences", json!(["own"]))).as_deref(), Some("own"));
    assert_eq!(sent(&with(section(), "grant", "jwt-bearer")), None);
}

#[test]
fn the_actor_comes_from_a_file() {
    let world = world(http(&answer()));
    world.files.put("/actor", "actor-token\n");
    let section = with(section(), "actor_token_file", "/actor");
    exchange::<OAuth>(&section, &world).unwrap();
    let request = world.http.requests().remove(0);
    assert_eq!(field(&request, "actor_token").as_deref(), Some("actor-token"));
    assert_eq!(field(&request, "actor_token_type").as_deref(), Some(JWT));
}

#[test]
fn rejects_an_actor_file_that_is_not_there_before_anything_is_sent() {
    let world = world(http(&answer()));
    let error = exchange::<OAuth>(&with(section(), "actor_token_file", "/actor"), &world).unwrap_err();
    assert_eq!(error.to_string(), "read the actor's token in /actor: the file does not exist");
    assert!(world.http.requests().is_empty());
}

#[test]
fn jwt_bearer_shows_the_credential_as_the_assertion() {
    let world = world(http(&json!({"access_token": "t", "token_type": "bearer"})));
    let section = with(section(), "grant", "jwt-bearer");
    let made = exchange::<OAuth>(&with(section, "scopes", json!(["api"])), &world).unwrap();
    assert_eq!((secret(&made), made.expires_at), ("t", None));
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", subject_token().expose()),
        ("scope", "api"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form(&world.http.requests()[0]), expected);
}

#[test]
fn client_credentials_shows_the_credential_as_the_clients_assertion() {
    let world = world(http(&json!({"access_token": "t", "token_type": "Bearer", "expires_in": 60})));
    let section = with(with(section(), "grant", "client-credentials"), "client_id", "app");
    exchange::<OAuth>(&with(section, "parameters", json!({"tenant": "one"})), &world).unwrap();
    let expected = [
        ("grant_type", "client_credentials"),
        ("tenant", "one"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", subject_token().expose()),
        ("client_id", "app"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form(&world.http.requests()[0]), expected);
}

#[test]
fn an_assertion_is_asked_for_the_issuer_or_the_endpoint() {
    let built = |section: Value| {
        let exchange = serde_json::from_value::<OAuth>(section).unwrap().build().unwrap();
        (exchange.audience(), exchange.takes())
    };
    let (jwt, any) = (Kinds::of(&[Kind::Jwt]), OAuth::TAKES);
    assert_eq!(built(section()), (None, any));
    assert_eq!(built(with(section(), "grant", "jwt-bearer")), (Some(TOKEN_URL.to_owned()), jwt));
    assert_eq!(built(json!({"issuer": ISSUER, "grant": "client-credentials"})), (Some(ISSUER.to_owned()), jwt));
    assert_eq!(built(with(section(), "client_auth", "private_key_jwt")), (Some(TOKEN_URL.to_owned()), jwt));
    assert_eq!(built(with(section(), "subject_audience", "x")), (Some("x".to_owned()), any));
}

#[test]
fn rejects_what_it_does_not_take() {
    let world = world(http(&answer()));
    let section = with(section(), "grant", "jwt-bearer");
    let error = exchange_for::<OAuth>(&section, &world, &opaque("shown"), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(world.http.requests().is_empty());
}

#[test]
fn gives_a_jwt_with_the_earlier_of_two_ends() {
    let section = with(section(), "requested_token_type", "jwt");
    let made = |expires_in: i64| {
        let answer = with(issued_answer(JWT, "next"), "expires_in", expires_in);
        exchange_for::<OAuth>(&section, &world(http(&answer)), &subject(), Some("next")).unwrap()
    };
    let credential = made(60);
    assert_eq!((credential.kind(), credential.facts["principal"].as_str()), (Kind::Jwt, "reader"));
    assert_eq!(credential.expires_at.unwrap().as_second(), NOW + 60);
    assert_eq!(made(6000).expires_at.unwrap().as_second(), NOW + 600);
}

#[test]
fn gives_an_access_token_as_a_jwt_when_told_to() {
    let answer = with(issued_answer(ACCESS, "next"), "token_type", "Bearer");
    let made = exchange::<OAuth>(&with(section(), "kind", "jwt"), &world(http(&answer))).unwrap();
    assert_eq!((made.kind(), made.facts["audience"].as_str()), (Kind::Jwt, "next"));
}

/// One good answer, bent in one place.
#[test]
fn rejects_answers_that_are_not_what_was_asked_for() {
    let asked = with(section(), "requested_token_type", "access-token");
    for (name, value, kind, says) in [
        ("token_type", json!("DPoP"), ErrorKind::Unreachable, "`token_type` is DPoP, which cannot be used here"),
        ("token_type", json!("N_A"), ErrorKind::Unreachable, "`token_type` is N_A, which cannot be used here"),
        ("issued_token_type", json!(JWT), ErrorKind::Unreachable, "was asked for"),
        ("access_token", json!("two words"), ErrorKind::Unreachable, "is not one word"),
        ("access_token", json!(""), ErrorKind::Unreachable, "`access_token` is empty"),
        ("expires_in", json!("soon"), ErrorKind::Unreachable, "is not a sensible number"),
        ("expires_in", json!(0), ErrorKind::Expired, "the token's life is 0 s"),
    ] {
        let world = world(http(&with(answer(), name, value.clone())));
        let error = exchange::<OAuth>(&asked, &world).unwrap_err();
        assert_eq!(error.kind(), kind, "{name} {value}");
        let text = chain(&error).join(": ");
        assert!(text.contains(says), "{name} {value}: {text}");
        assert!(!text.contains("opaque-token") && !text.contains("two words"), "{text}");
    }
}

#[test]
fn rejects_a_jwt_that_is_none_or_has_ended_or_is_for_somebody_else() {
    let section = with(section(), "requested_token_type", "jwt");
    let refused = |token: &str| {
        let answer = with(issued_answer(JWT, "next"), "access_token", token);
        exchange_for::<OAuth>(&section, &world(http(&answer)), &subject(), Some("next")).unwrap_err()
    };
    let error = refused("opaque");
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Unreachable, Some("answer")));
    let ended = token(&json!({"sub": "s", "aud": "next", "exp": NOW}));
    assert_eq!(refused(ended.expose()).kind(), ErrorKind::Expired);
    let error = refused(issued("other").expose());
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("audience")));
}

#[test]
fn a_refusal_with_status_200_is_a_refusal() {
    let world = world(ScriptedHttp::default().answer(200, r#"{"error":"invalid_scope","error_description":"no"}"#));
    let error = exchange::<OAuth>(&section(), &world).unwrap_err();
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Refused, Some("invalid_scope")));
}

#[test]
fn a_body_that_is_no_answer_is_not_shown() {
    let world = world(ScriptedHttp::default().answer(200, r#"{"token":"hvs.secret-of-somebody"}"#));
    let error = exchange::<OAuth>(&section(), &world).unwrap_err();
    assert_eq!(
        error.to_string(),
        "read the answer of sts.example (HTTP 200, 34 bytes): it is not JSON with `access_token` and `token_type`"
    );
    assert!(!format!("{error:?} {:?}", error.hints()).contains("secret-of-somebody"));
}

#[test]
fn scopes_that_were_left_out_are_a_warning() {
    let world = world(http(&with(answer(), "scope", "read")));
    let made = exchange::<OAuth>(&with(section(), "scopes", json!(["read", "write"])), &world).unwrap();
    assert_eq!(made.facts["scope"], "read");
    assert_eq!(made.facts["warning"], "the other side left scopes out: write");
}

#[test]
fn no_answer_is_unreachable_and_names_the_attempt() {
    let world = world(ScriptedHttp::default().fail(HttpErrorKind::Timeout));
    let error = exchange::<OAuth>(&section(), &world).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(chain(&error)[0], "exchange the token at sts.example");
}

#[test]
fn the_facts_name_nothing_secret() {
    let made = exchange::<OAuth>(&section(), &world(http(&answer()))).unwrap();
    let shown = format!("{made:?}");
    assert!(!shown.contains("opaque-token") && !shown.contains(SUBJECT), "{shown}");
}
