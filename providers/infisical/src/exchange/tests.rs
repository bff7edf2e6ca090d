use carnet_core::{Credential, ErrorKind, ScriptedHttp};
use serde_json::{Value, json};

use crate::{
    config::Infisical,
    testing::{ADDRESS, IDENTITY, NOW, access_token, aws_keys, exchange, jwt, login, oci_key, world},
};

fn section(more: Value) -> Value {
    let Value::Object(more) = more else { panic!("no section") };
    let mut section = json!({ "address": ADDRESS, "identity_id": IDENTITY });
    section.as_object_mut().unwrap().extend(more);
    section.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    section
}

fn secret(credential: &Credential) -> &str {
    super::token(credential).unwrap().expose()
}

#[test]
fn a_jwt_logs_in_by_each_method_that_takes_one() {
    for (method, path) in [
        ("oidc", "oidc-auth"),
        ("jwt", "jwt-auth"),
        ("kubernetes", "kubernetes-auth"),
        ("spiffe", "spiffe-auth"),
        ("gcp", "gcp-auth"),
        ("gcp-iam", "gcp-auth"),
        ("azure", "azure-auth"),
    ] {
        let world = world(ScriptedHttp::default().answer(200, login("opaque", 3600, 7200)), &[]);
        let made = exchange::<Infisical>(section(json!({ "method": method })), &[jwt()], &world).remove(0).unwrap();
        assert_eq!((secret(&made), made.expires_at.unwrap().as_second()), ("opaque", NOW + 3600));
        assert_eq!((made.facts["principal"].as_str(), made.facts["address"].as_str()), (IDENTITY, ADDRESS));
        let request = world.http.requests().remove(0);
        assert_eq!(request.url.as_str(), format!("{ADDRESS}/api/v1/auth/{path}/login"));
        assert!(!request.headers.contains_key("authorization"));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body, json!({ "identityId": IDENTITY, "jwt": "h.p.s" }));
    }
}

#[test]
fn what_is_not_configured_comes_from_the_variables_of_the_cli() {
    let variables = [
        ("INFISICAL_API_URL", "http://127.0.0.1:1/api"),
        ("INFISICAL_MACHINE_IDENTITY_ID", "of-the-variable"),
        ("INFISICAL_AUTH_ORGANIZATION_SLUG", "team"),
    ];
    let world = world(ScriptedHttp::default().answer(200, login("t", 60, 60)), &variables);
    exchange::<Infisical>(json!({}), &[jwt()], &world).remove(0).unwrap();
    let request = world.http.requests().remove(0);
    assert_eq!(request.url.as_str(), "http://127.0.0.1:1/api/v1/auth/oidc-auth/login");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body["identityId"], &body["organizationSlug"]), (&json!("of-the-variable"), &json!("team")));
}

#[test]
fn the_cloud_is_asked_when_nobody_says_a_server() {
    let world = world(ScriptedHttp::default().answer(200, login("t", 60, 60)), &[]);
    exchange::<Infisical>(json!({ "identity_id": IDENTITY }), &[jwt()], &world).remove(0).unwrap();
    assert_eq!(world.http.requests()[0].url.host_str(), Some("app.infisical.com"));
}

#[test]
fn rejects_login_without_identity_or_without_tls() {
    for variables in [&[][..], &[("INFISICAL_DOMAIN", "http://infisical.example")][..]] {
        let world = world(ScriptedHttp::default(), variables);
        let error = exchange::<Infisical>(json!({}), &[jwt()], &world).remove(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(world.http.requests().is_empty());
    }
}

#[test]
fn a_client_secret_logs_in_without_an_identity() {
    let world = world(ScriptedHttp::default().answer(200, login("t", 60, 60)), &[]);
    let section = section(json!({ "method": "universal", "client_id": "c", "identity_id": null }));
    let made = exchange::<Infisical>(section, &[access_token("s")], &world).remove(0).unwrap();
    assert!(!made.facts.contains_key("principal"));
    let body: Value = serde_json::from_slice(&world.http.requests()[0].body).unwrap();
    assert_eq!(body, json!({ "clientId": "c", "clientSecret": "s" }));
}

#[test]
fn signed_requests_are_conveyed_and_not_sent() {
    for (method, subject, field) in [("aws", aws_keys(), "iamRequestHeaders"), ("oci", oci_key(), "headers")] {
        let world = world(ScriptedHttp::default().answer(200, login("t", 60, 60)), &[]);
        exchange::<Infisical>(section(json!({ "method": method })), &[subject], &world).remove(0).unwrap();
        let requests = world.http.requests();
        assert_eq!(requests.len(), 1, "{method}");
        let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
        assert_eq!((&body["identityId"], body[field].is_null()), (&json!(IDENTITY), false));
    }
}

#[test]
fn a_service_account_of_google_signs_for_the_identity() {
    let http = ScriptedHttp::default().answer(200, r#"{"keyId":"k","signedJwt":"s.i.g"}"#);
    let world = world(http.answer(200, login("t", 60, 60)), &[]);
    let section = section(json!({ "method": "gcp-iam", "service_account": "app@p.iam.gserviceaccount.com" }));
    exchange::<Infisical>(section, &[access_token("ya29.x")], &world).remove(0).unwrap();
    let requests = world.http.requests();
    assert_eq!(
        requests[0].url.as_str(),
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/app@p.iam.gserviceaccount.com:signJwt"
    );
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    let claims: Value = serde_json::from_str(body["payload"].as_str().unwrap()).unwrap();
    assert_eq!((&claims["aud"], &claims["exp"]), (&json!(IDENTITY), &json!(NOW + 300)));
    let body: Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!(body["jwt"], "s.i.g");
}

#[test]
fn rejects_service_account_that_may_not_sign_without_showing_the_token() {
    let world = world(ScriptedHttp::default().answer(403, r#"{"error":{"message":"ya29.x"}}"#), &[]);
    let section = section(json!({ "method": "gcp-iam", "service_account": "app@p.iam.gserviceaccount.com" }));
    let error = exchange::<Infisical>(section, &[access_token("ya29.x")], &world).remove(0).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("signer")));
    assert!(!format!("{error:?}").contains("ya29.x"));
}

#[test]
fn the_end_is_the_token_s_own_where_that_is_earlier() {
    // `{"alg":"HS256"}` and `{"exp":1795262460}`, as a server writes it whose own limit is shorter.
    let short = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3OTUyNjI0NjB9.c2ln";
    for (told, wanted) in [(0, NOW + 60), (30, NOW + 30), (3600, NOW + 60)] {
        let world = world(ScriptedHttp::default().answer(200, login(short, told, 0)), &[]);
        let made = exchange::<Infisical>(section(json!({})), &[jwt()], &world).remove(0).unwrap();
        assert_eq!(made.expires_at.unwrap().as_second(), wanted, "{told}");
    }
}

#[test]
fn a_token_is_renewed_while_that_gains_time_and_then_logged_in_anew() {
    let http = ScriptedHttp::default().answer(200, login("a", 60, 600)).answer(200, login("b", 120, 600));
    let http = http.answer(200, login("b", 120, 600)).answer(200, login("c", 60, 600));
    let world = world(http, &[]);
    let made = exchange::<Infisical>(section(json!({ "renew": true })), &[jwt(), jwt(), jwt()], &world);
    assert_eq!(made.iter().map(|made| secret(made.as_ref().unwrap())).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(made[1].as_ref().unwrap().facts["principal"], IDENTITY);
    let requests = world.http.requests();
    let paths: Vec<_> = requests.iter().map(|request| request.url.path().rsplit('/').next().unwrap()).collect();
    assert_eq!(paths, ["login", "renew", "renew", "login"]);
    let body: Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!(body, json!({ "accessToken": "a" }));
}

#[test]
fn a_token_is_not_renewed_past_its_longest_life() {
    let http = ScriptedHttp::default().answer(200, login("a", 60, 59)).answer(200, login("b", 60, 59));
    let world = world(http, &[]);
    let made = exchange::<Infisical>(section(json!({ "renew": true })), &[jwt(), jwt()], &world);
    assert_eq!(secret(made[1].as_ref().unwrap()), "b");
    assert!(world.http.requests()[1].url.path().ends_with("/login"));
}

#[test]
fn another_subject_never_gets_the_held_token() {
    let http = ScriptedHttp::default().answer(200, login("a", 60, 600)).answer(200, login("b", 60, 600));
    let world = world(http, &[]);
    let subjects = [jwt(), jwt().fact("subject", "other")];
    let made = exchange::<Infisical>(section(json!({ "renew": true })), &subjects, &world);
    assert_eq!(secret(made[1].as_ref().unwrap()), "b");
}

#[test]
fn rejects_refusals_with_clause_and_fix_and_without_the_token() {
    let body = r#"{"reqId":"r","statusCode":401,"message":"Access denied: OIDC audience not allowed.","error":"UnauthorizedError"}"#;
    let world = world(ScriptedHttp::default().answer(401, body), &[]);
    let error = exchange::<Infisical>(section(json!({})), &[jwt()], &world).remove(0).unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("audience")));
    assert!(error.hints()[0].contains("boundAudiences") && !format!("{error:?}").contains("h.p.s"));
}
