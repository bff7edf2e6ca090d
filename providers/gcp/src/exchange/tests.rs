use carnet_core::{ErrorKind, HttpErrorKind, ScriptedHttp, chain};
use serde_json::{Value, json};

use super::*;
use crate::{
    config::Gcp,
    testing::{NOW, PROVIDER, READER, SUBJECT, World, exchange, form, subject_token, token, world},
};

const STS: &str = r#"{"access_token":"ya29.d.federated","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3599}"#;
const IAM: &str = r#"{"accessToken":"ya29.c.reader","expireTime":"2026-11-21T13:00:00Z"}"#;

fn direct() -> Value {
    json!({ "audience": PROVIDER })
}

fn impersonate() -> Value {
    json!({ "audience": PROVIDER, "service_account": READER })
}

fn with(mut section: Value, name: &str, value: Value) -> Value {
    section[name] = value;
    section
}

fn offline(http: ScriptedHttp) -> World {
    world(http, &[])
}

fn secret(credential: &Credential) -> &str {
    match &credential.material {
        Material::AccessToken(access) => access.token.expose(),
        Material::Jwt(token) => token.expose(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn direct_access_sends_the_form_of_the_token_service() {
    let world = offline(ScriptedHttp::default().answer(200, STS));
    let made = exchange::<Gcp>(direct(), &world).unwrap();
    assert_eq!(secret(&made), "ya29.d.federated");
    assert_eq!(made.expires_at.unwrap().as_second(), NOW + 3599);
    assert_eq!(made.facts["provider"], PROVIDER);
    assert!(made.facts["assumed_principal"].ends_with(&format!("/subject/{SUBJECT}")), "{:?}", made.facts);
    assert!(!made.facts.contains_key("principal"), "the token service does not tell it");
    let request = world.http.requests().remove(0);
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://sts.googleapis.com/v1/token"));
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    assert!(!request.headers.contains_key("authorization"));
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", PROVIDER),
        ("scope", "https://www.googleapis.com/auth/cloud-platform"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token", subject_token().expose()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(form(&request), expected);
}

#[test]
fn impersonation_asks_iam_with_the_federated_token() {
    let world = offline(ScriptedHttp::default().answer(200, STS).answer(200, IAM));
    let section = with(impersonate(), "lifetime", json!("30m"));
    let section = with(section, "delegates", json!(["via@carnet-sandbox.iam.gserviceaccount.com"]));
    let section = with(section, "scopes", json!(["https://www.googleapis.com/auth/devstorage.read_only"]));
    let made = exchange::<Gcp>(with(section, "quota_project", json!("billing")), &world).unwrap();
    assert_eq!((secret(&made), made.facts["principal"].as_str()), ("ya29.c.reader", READER));
    assert_eq!(made.expires_at.unwrap().as_second(), NOW + 3600);
    let requests = world.http.requests();
    let scope = form(&requests[0]).into_iter().find(|(name, _)| name == "scope").unwrap().1;
    assert_eq!(scope, "https://www.googleapis.com/auth/iam");
    assert_eq!(
        requests[1].url.as_str(),
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/reader@carnet-sandbox.iam.gserviceaccount.com:generateAccessToken"
    );
    assert_eq!(requests[1].headers["authorization"], "Bearer ya29.d.federated");
    assert_eq!(requests[1].headers["x-goog-user-project"], "billing");
    assert_eq!(
        serde_json::from_slice::<Value>(&requests[1].body).unwrap(),
        json!({"scope": ["https://www.googleapis.com/auth/devstorage.read_only"], "lifetime": "1800s",
            "delegates": ["projects/-/serviceAccounts/via@carnet-sandbox.iam.gserviceaccount.com"]})
    );
}

#[test]
fn an_id_token_is_asked_for_its_audience() {
    let id_token = token(
        &json!({"iss": "https://accounts.google.com", "aud": "https://run.example", "sub": "1", "exp": NOW + 3600}),
    );
    let answer = json!({ "token": id_token.expose() }).to_string();
    let world = offline(ScriptedHttp::default().answer(200, STS).answer(200, answer));
    let made = exchange::<Gcp>(with(impersonate(), "id_token_audience", json!("https://run.example")), &world).unwrap();
    assert_eq!((made.kind(), made.facts["audience"].as_str()), (Kind::Jwt, "https://run.example"));
    let request = world.http.requests().remove(1);
    assert!(request.url.path().ends_with(":generateIdToken"));
    assert_eq!(
        serde_json::from_slice::<Value>(&request.body).unwrap(),
        json!({"audience": "https://run.example", "includeEmail": true})
    );
}

#[test]
fn rejects_id_token_for_another_audience() {
    let answer = json!({ "token": token(&json!({"aud": "https://other.example", "exp": NOW + 3600})).expose() });
    let world = offline(ScriptedHttp::default().answer(200, STS).answer(200, answer.to_string()));
    let section = with(impersonate(), "id_token_audience", json!("https://run.example"));
    assert_eq!(exchange::<Gcp>(section, &world).unwrap_err().kind(), ErrorKind::Unreachable);
}

#[test]
fn endpoints_come_from_configuration_then_variables() {
    let variables = [
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", "http://127.0.0.1:7101/"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", "http://127.0.0.1:7102"),
    ];
    let both = || ScriptedHttp::default().answer(200, STS).answer(200, IAM);
    let urls = |section: Value| {
        let world = world(both(), &variables);
        exchange::<Gcp>(section, &world).unwrap();
        world.http.requests().into_iter().map(|request| request.url.to_string()).collect::<Vec<_>>()
    };
    let from_variables = urls(impersonate());
    assert_eq!(from_variables[0], "http://127.0.0.1:7101/v1/token");
    assert!(from_variables[1].starts_with("http://127.0.0.1:7102/v1/projects/-/serviceAccounts/reader@"));
    let section = with(impersonate(), "token_url", json!("http://localhost:1/token"));
    let from_section = urls(with(section, "iamcredentials_url", json!("http://localhost:2/")));
    assert_eq!(from_section[0], "http://localhost:1/token");
    assert!(from_section[1].starts_with("http://localhost:2/v1/projects/"));
}

#[test]
fn rejects_variable_that_sends_tokens_in_plain_text() {
    let world = world(ScriptedHttp::default(), &[("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", "http://example.com/")]);
    let error = exchange::<Gcp>(direct(), &world).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(world.http.requests().is_empty());
}

#[test]
fn a_sovereign_cloud_has_its_own_hosts() {
    let world = offline(ScriptedHttp::default().answer(200, STS));
    let name = PROVIDER.replace("googleapis.com", "example-cloud.test");
    let section = json!({ "audience": name, "universe_domain": "example-cloud.test" });
    exchange::<Gcp>(section, &world).unwrap();
    assert_eq!(world.http.requests()[0].url.as_str(), "https://sts.example-cloud.test/v1/token");
}

#[test]
fn workforce_pools_name_the_project_in_the_options() {
    let world = offline(ScriptedHttp::default().answer(200, STS));
    let audience = "//iam.googleapis.com/locations/global/workforcePools/staff/providers/sso";
    exchange::<Gcp>(json!({ "audience": audience, "workforce_user_project": "billing" }), &world).unwrap();
    let options = form(&world.http.requests()[0]).into_iter().find(|(name, _)| name == "options").unwrap().1;
    assert_eq!(options, r#"{"userProject":"billing"}"#);
}

#[test]
fn the_audience_that_the_subject_token_needs_flows_back() {
    let audience = |section: Value| {
        let built: Gcp = serde_json::from_value(section).unwrap();
        built.check().unwrap().audience()
    };
    assert_eq!(audience(direct()).unwrap(), format!("https:{PROVIDER}"));
    assert_eq!(audience(with(direct(), "subject_audience", json!("mine"))).unwrap(), "mine");
}

#[test]
fn rejects_refusals_with_code_clause_and_fix() {
    let body = json!({"error": "invalid_grant", "error_description":
        format!("The audience in ID Token [https:{PROVIDER}] does not match the expected audience other.")});
    let error = exchange::<Gcp>(direct(), &offline(ScriptedHttp::default().answer(400, body.to_string()))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!((error.provider_code(), error.failed_clause()), (Some("invalid_grant"), Some("audience")));
    assert!(error.hints()[0].contains("subject_audience"), "{:?}", error.hints());
}

#[test]
fn rejects_impersonation_and_names_the_member_to_grant() {
    let body = r#"{"error":{"code":403,"message":"Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"IAM_PERMISSION_DENIED","domain":"iam.googleapis.com","metadata":{"permission":"iam.serviceAccounts.getAccessToken"}}]}}"#;
    let world = offline(ScriptedHttp::default().answer(200, STS).answer(403, body));
    let error = exchange::<Gcp>(impersonate(), &world).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!((error.provider_code(), error.failed_clause()), (Some("PERMISSION_DENIED"), Some("permission")));
    let member = format!("principal:{}/subject/{SUBJECT}", PROVIDER.trim_end_matches("/providers/github"));
    assert!(error.hints()[0].contains(&member), "{:?}", error.hints());
    assert!(error.hints().iter().any(|hint| hint.contains("5 minutes")));
}

#[test]
fn rejects_answers_that_are_not_google_s_without_quoting_them() {
    for body in ["<html>hush</html>", r#"{"access_token":"hush"}"#, ""] {
        let error = exchange::<Gcp>(direct(), &offline(ScriptedHttp::default().answer(200, body))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{body}");
        assert!(!format!("{error:?} {}", chain(&error).join(" ")).contains("hush"), "{error:?}");
    }
}

#[test]
fn rejects_token_that_is_over_when_it_comes() {
    for section in [direct(), impersonate()] {
        for over in ["0", "-60"] {
            let world = offline(ScriptedHttp::default().answer(200, STS.replace("3599", over)));
            let error = exchange::<Gcp>(section.clone(), &world).unwrap_err();
            assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("expired")), "{error}");
        }
    }
}

#[test]
fn an_outage_can_be_tried_again() {
    for status in [429, 500, 503] {
        let error = exchange::<Gcp>(direct(), &offline(ScriptedHttp::default().answer(status, "{}"))).unwrap_err();
        assert!(error.is_retryable(), "{status}");
    }
    let error = exchange::<Gcp>(direct(), &offline(ScriptedHttp::default().fail(HttpErrorKind::Connect))).unwrap_err();
    assert!(error.is_retryable());
    assert!(error.to_string().contains("sts.googleapis.com"), "{error}");
}
