use carnet_core::{ErrorKind, Material};
use serde_json::json;

use super::*;
use crate::testing::{self, Script, Step, answer};

const URL: &str = "https://idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com";

fn token(extra: serde_json::Value) -> Step {
    let token = testing::domain_token(extra);
    answer(200, &json!({"access_token": token.expose(), "token_type": "Bearer", "expires_in": 3600}).to_string())
}

async fn run(config: serde_json::Value, step: Step, want: Option<&str>) -> (Result<Credential, Error>, Script) {
    let mut fields = json!({"url": URL});
    fields.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let exchange = serde_json::from_value::<DomainConfig>(fields).unwrap().build().unwrap();
    let script = Script::of([step]);
    let want = Want { audience: want.map(str::to_owned) };
    let result = exchange.exchange(&script.context(), &testing::session(), &want).await;
    (result, script)
}

async fn refused(step: Step) -> Error {
    run(json!({}), step, None).await.0.unwrap_err()
}

#[tokio::test]
async fn the_signer_is_the_subject_of_the_token() {
    let (result, script) = run(json!({}), token(json!({})), None).await;
    let credential = result.unwrap();
    assert_eq!(credential.kind(), Kind::Jwt);
    assert_eq!(credential.facts["issuer"], "https://identity.oraclecloud.com/");
    assert_eq!(credential.facts["audience"], "https://idcs-0.identity.oraclecloud.com");
    assert_eq!(credential.facts["principal"], "ocid1.instance.oc1.iad.aaaa");
    assert_eq!(credential.expires_at, Some(testing::now() + SignedDuration::from_hours(1)));

    let request = script.request("/oauth2/v1/token");
    assert_eq!(request.url.as_str(), format!("{URL}/oauth2/v1/token"));
    assert_eq!(
        script.body("/token"),
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&scope=urn%3Aopc%3Aidm%3A__myscopes__\
         &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
    );
    let header = request.headers["authorization"].to_str().unwrap();
    assert!(header.contains(
        "headers=\"date (request-target) host content-length content-type x-content-sha256 opc-request-id\""
    ));
    assert!(header.contains("keyId=\"ST$eyJ"));
    assert_eq!(request.headers["x-content-sha256"].to_str().unwrap(), crate::wire::body_hash(&request.body));
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn another_scope_is_asked_for_as_it_is_written() {
    let (result, script) = run(json!({"scope": "sts.amazonaws.com/"}), token(json!({})), None).await;
    result.unwrap();
    assert!(script.body("/token").contains("&scope=sts.amazonaws.com%2F&"));
}

#[tokio::test]
async fn refuses_another_audience_than_the_configured_one_to_the_slash() {
    let audience = "https://idcs-0.identity.oraclecloud.com";
    run(json!({"audience": audience}), token(json!({})), None).await.0.unwrap();
    let (result, _) = run(json!({"audience": format!("{audience}/")}), token(json!({})), None).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("audience")));
}

#[tokio::test]
async fn an_audience_that_the_next_step_would_rather_have_is_a_warning() {
    let want = Some("https://iam.googleapis.com/projects/1");
    let credential = run(json!({}), token(json!({})), want).await.0.unwrap();
    assert!(credential.facts["warning"].contains("https://iam.googleapis.com/projects/1"));
    let (aud, want) = (json!({"aud": ["a", "b"]}), Some("b"));
    assert!(!run(json!({}), token(aud), want).await.0.unwrap().facts.contains_key("warning"));
}

#[tokio::test]
async fn a_token_without_exp_ends_as_the_answer_says() {
    let credential = run(json!({}), token(json!({"exp": null})), None).await.0.unwrap();
    assert_eq!(credential.expires_at, Some(testing::now() + SignedDuration::from_hours(1)));
}

#[tokio::test]
async fn refuses_an_answer_that_is_no_token() {
    for step in [
        answer(200, r#"{"token":"MARK"}"#),
        answer(200, "MARK"),
        answer(200, r#"{"access_token":"MARK-opaque","token_type":"Bearer","expires_in":3600}"#),
    ] {
        let error = refused(step).await;
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(!format!("{error:?}").contains("MARK"), "{error:?}");
    }
}

#[tokio::test]
async fn refuses_a_token_that_is_over_when_it_comes() {
    assert_eq!(refused(token(json!({"exp": testing::now().as_second()}))).await.kind(), ErrorKind::Expired);
}

#[tokio::test]
async fn both_forms_of_refusals_are_understood() {
    for (status, body, code, clause) in [
        (401, r#"{"code":"NotAuthenticated","message":"eyJMARK"}"#, "NotAuthenticated", "signature"),
        (401, r#"{"error":"invalid_client","error_description":"eyJMARK"}"#, "invalid_client", "client"),
        (400, r#"{"error":"invalid_scope","error_description":"eyJMARK"}"#, "invalid_scope", "scope"),
    ] {
        let error = refused(answer(status, body)).await;
        assert_eq!((error.provider_code(), error.failed_clause()), (Some(code), Some(clause)));
        assert!(!format!("{error:?}").contains("MARK"), "{error:?}");
    }
}

#[tokio::test]
async fn refuses_a_credential_of_another_kind() {
    let exchange = serde_json::from_value::<DomainConfig>(json!({"url": URL})).unwrap().build().unwrap();
    let jwt = Credential::new(Material::Jwt(testing::subject_token(json!({}))));
    let error = exchange.exchange(&Script::default().context(), &jwt, &Want::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[test]
fn all_mistakes_of_a_section_are_told_at_once() {
    let config = DomainConfig { url: "x".to_owned(), scope: Some(String::new()), audience: Some(String::new()) };
    let fields: Vec<_> = config.build().unwrap_err().into_iter().map(|mistake| mistake.field).collect();
    assert_eq!(fields, ["scope", "audience", "url"]);
}
