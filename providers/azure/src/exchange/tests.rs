use carnet_core::{ErrorKind, HttpErrorKind, ScriptedHttp, chain};
use serde_json::{Value, json};

use super::*;
use crate::testing::{CLIENT, NOW, TENANT, exchange, form, good, subject_token, world};

const ANSWER: &str = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"a.b.c"}"#;

fn with(name: &str, value: Value) -> Value {
    let mut section = good();
    section[name] = value;
    section
}

#[test]
fn sends_the_form_of_the_token_endpoint() {
    let world = world(ScriptedHttp::default().answer(200, ANSWER), &[]);
    let made = exchange::<Entra>(good(), &world).unwrap();
    let Material::AccessToken(access) = &made.material else { panic!("{made:?}") };
    assert_eq!((access.token.expose(), access.token_type.as_str()), ("a.b.c", "Bearer"));
    assert_eq!(made.expires_at.unwrap().as_second(), NOW + 3599);
    assert_eq!((made.facts["principal"].as_str(), made.facts["tenant"].as_str()), (CLIENT, TENANT));
    let request = world.http.requests().remove(0);
    let url = format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token");
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", url.as_str()));
    let expected = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("scope", "https://storage.azure.com/.default"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", subject_token().expose()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form(&request), expected);
}

#[test]
fn a_claims_challenge_goes_along() {
    let world = world(ScriptedHttp::default().answer(200, ANSWER), &[]);
    exchange::<Entra>(with("claims", json!(r#"{"access_token":{"nbf":1}}"#)), &world).unwrap();
    let last = form(&world.http.requests()[0]).pop().unwrap();
    assert_eq!(last, ("claims".to_owned(), r#"{"access_token":{"nbf":1}}"#.to_owned()));
}

#[test]
fn the_authority_is_configured_or_a_variable_or_of_the_cloud() {
    const NONE: &[(&str, &str)] = &[];
    const VARIABLE: &[(&str, &str)] = &[("AZURE_AUTHORITY_HOST", "login.example/")];
    for (section, variables, host) in [
        (with("cloud", json!("us-government")), NONE, "login.microsoftonline.us"),
        (with("cloud", json!("china")), NONE, "login.chinacloudapi.cn"),
        (good(), VARIABLE, "login.example"),
        (with("authority", json!("https://other.example")), VARIABLE, "other.example"),
    ] {
        let world = world(ScriptedHttp::default().answer(200, ANSWER), variables);
        exchange::<Entra>(section, &world).unwrap();
        assert_eq!(world.http.requests()[0].url.host_str(), Some(host));
    }
}

#[test]
fn rejects_authority_without_tls() {
    let world = world(ScriptedHttp::default(), &[("AZURE_AUTHORITY_HOST", "http://login.example")]);
    assert_eq!(exchange::<Entra>(good(), &world).unwrap_err().kind(), ErrorKind::Configuration);
    assert!(world.http.requests().is_empty());
}

#[test]
fn rejects_answers_that_are_none() {
    for body in ["", "{}", r#"{"access_token":"a","token_type":"Bearer"}"#] {
        let error = exchange::<Entra>(good(), &world(ScriptedHttp::default().answer(200, body), &[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{body}");
    }
}

#[test]
fn no_answer_is_told_as_what_it_was_for() {
    let error =
        exchange::<Entra>(good(), &world(ScriptedHttp::default().fail(HttpErrorKind::Timeout), &[])).unwrap_err();
    assert_eq!(chain(&error)[0], "exchange the subject token at Entra (login.microsoftonline.com)");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}
