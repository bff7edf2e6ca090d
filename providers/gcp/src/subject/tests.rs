use carnet_core::{ErrorKind, ScriptedHttp, SecretBytes};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::*;
use crate::{
    config::Gcp,
    testing::{PROVIDER, READER, World, exchange_of, form, world},
};

const STS: &str = r#"{"access_token":"ya29.d.federated","token_type":"Bearer","expires_in":3599}"#;
const IAM: &str = r#"{"accessToken":"ya29.c.reader","expireTime":"2026-11-21T13:00:00Z"}"#;

fn keys() -> Credential {
    Credential::new(Material::AwsKeys(AwsKeys {
        access_key_id: "ASIAEXAMPLE".to_owned(),
        secret_access_key: Secret::new("hush"),
        session_token: Some(Secret::new("session")),
    }))
}

fn certificate() -> Credential {
    Credential::new(Material::X509(X509Identity {
        chain: vec![vec![0x30, 1], vec![0x30, 2]],
        private_key: SecretBytes::new(vec![3]),
        bundle: Vec::new(),
    }))
    .fact("subject", "spiffe://example.org/app")
}

fn answering(variables: &[(&str, &str)]) -> World {
    world(ScriptedHttp::default().answer(200, STS).answer(200, IAM), variables)
}

fn sent(world: &World, name: &str) -> String {
    form(&world.http.requests()[0]).into_iter().find(|(known, _)| known == name).unwrap().1
}

/// The signed request inside the token.
fn signed(world: &World) -> Value {
    let token = sent(world, "subject_token");
    serde_json::from_str(&percent_decode_str(&token).decode_utf8().unwrap()).unwrap()
}

fn header(signed: &Value, name: &str) -> String {
    let headers = signed["headers"].as_array().unwrap();
    headers.iter().find(|header| header["key"] == name).unwrap()["value"].as_str().unwrap().to_owned()
}

#[test]
fn keys_sign_who_they_are_for_one_provider() {
    let world = answering(&[]);
    let made =
        exchange_of::<Gcp>(json!({ "audience": PROVIDER }), &keys().fact("region", "eu-central-1"), &world).unwrap();
    assert_eq!(made.facts.get("assumed_principal"), None);
    assert_eq!(sent(&world, "subject_token_type"), "urn:ietf:params:aws:token-type:aws4_request");
    let signed = signed(&world);
    assert_eq!(signed["method"], "POST");
    assert_eq!(signed["url"], "https://sts.eu-central-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15");
    assert_eq!(header(&signed, "x-goog-cloud-target-resource"), PROVIDER);
    assert_eq!(header(&signed, "x-amz-date"), "20261121T120000Z");
    assert_eq!(header(&signed, "x-amz-security-token"), "session");
    assert_eq!(header(&signed, "host"), "sts.eu-central-1.amazonaws.com");
    let authorization = header(&signed, "Authorization");
    assert!(
        authorization.starts_with(
            "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20261121/eu-central-1/sts/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource, Signature="
        ),
        "{authorization}"
    );
    assert!(!sent(&world, "subject_token").contains("hush"));
}

#[test]
fn the_region_is_configured_or_that_of_the_keys_or_of_the_environment() {
    let host = |section: Value, keys: &Credential, variables: &[(&str, &str)]| {
        let world = answering(variables);
        exchange_of::<Gcp>(section, keys, &world).unwrap();
        header(&signed(&world), "host")
    };
    let plain = || json!({ "audience": PROVIDER });
    let variables = [("AWS_REGION", "us-east-1"), ("AWS_DEFAULT_REGION", "us-east-2")];
    let configured = json!({ "audience": PROVIDER, "aws_region": "eu-north-1" });
    let of_keys = keys().fact("region", "eu-central-1");
    assert_eq!(host(configured, &of_keys, &variables), "sts.eu-north-1.amazonaws.com");
    assert_eq!(host(plain(), &of_keys, &variables), "sts.eu-central-1.amazonaws.com");
    assert_eq!(host(plain(), &keys(), &variables), "sts.us-east-1.amazonaws.com");
    assert_eq!(host(plain(), &keys(), &variables[1..]), "sts.us-east-2.amazonaws.com");
}

#[test]
fn rejects_keys_without_a_region() {
    let world = answering(&[]);
    let error = exchange_of::<Gcp>(json!({ "audience": PROVIDER }), &keys(), &world).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.hints()[0].contains("aws_region"), "{:?}", error.hints());
    assert!(world.http.requests().is_empty());
}

#[test]
fn rejects_region_that_would_name_another_host() {
    for region in ["evil.example/", "", "EU-CENTRAL-1", "eu-central-1.evil.example"] {
        let section: Gcp = serde_json::from_value(json!({ "audience": PROVIDER, "aws_region": region })).unwrap();
        assert_eq!(section.check().unwrap_err()[0].field, "aws_region", "{region}");
    }
    let world = answering(&[("AWS_REGION", "evil.example/")]);
    let error = exchange_of::<Gcp>(json!({ "audience": PROVIDER }), &keys(), &world).unwrap_err();
    assert!(error.to_string().contains("AWS_REGION"), "{error}");
}

#[test]
fn a_certificate_is_shown_in_tls_at_both_services() {
    let world = answering(&[]);
    let section = json!({ "audience": PROVIDER, "service_account": READER });
    exchange_of::<Gcp>(section, &certificate(), &world).unwrap();
    assert_eq!(sent(&world, "subject_token_type"), "urn:ietf:params:oauth:token-type:mtls");
    assert_eq!(sent(&world, "subject_token"), r#"["MAE=","MAI="]"#);
    let requests = world.http.requests();
    assert_eq!(requests[0].url.as_str(), "https://sts.mtls.googleapis.com/v1/token");
    assert_eq!(requests[1].url.host_str(), Some("iamcredentials.mtls.googleapis.com"));
    assert!(requests.iter().all(|request| request.identity.is_some()));
}

#[test]
fn no_principal_is_told_of_a_certificate() {
    let world = answering(&[]);
    let made = exchange_of::<Gcp>(json!({ "audience": PROVIDER }), &certificate(), &world).unwrap();
    assert_eq!(made.facts.get("assumed_principal"), None);
}

#[test]
fn a_token_is_sent_without_a_certificate() {
    let world = answering(&[]);
    exchange_of::<Gcp>(json!({ "audience": PROVIDER }), &crate::testing::subject(), &world).unwrap();
    assert!(world.http.requests()[0].identity.is_none());
}
