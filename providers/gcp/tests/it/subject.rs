//! AWS keys and certificates in place of a token.

use carnet_aws_sandbox::seed as aws;
use carnet_core::{AwsKeys, Credential, Error, ErrorKind, Material, Secret, SecretBytes, X509Identity};
use carnet_gcp::Gcp;
use carnet_gcp_sandbox::seed::{self, GITHUB, READER};
use carnet_jose::Algorithm;
use carnet_x509::{Authority, LeafProfile};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{assert_refusal, cloud::Cloud};

fn section(provider: &str) -> Value {
    let audience = seed::audience(GITHUB).replace("/providers/github", &format!("/providers/{provider}"));
    json!({ "audience": audience, "service_account": READER })
}

fn keys(access_key_id: &str, secret_access_key: &str) -> Credential {
    Credential::new(Material::AwsKeys(AwsKeys {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: Secret::new(secret_access_key),
        session_token: None,
    }))
    .fact("region", aws::REGION)
}

fn good_keys() -> Credential {
    keys(aws::ACCESS_KEY_ID, aws::SECRET_ACCESS_KEY)
}

/// A provider for an account of AWS, and what the exchange says to these keys.
async fn with_keys(account: &str, keys: &Credential) -> (Cloud, Result<Credential, Error>) {
    let cloud = Cloud::new();
    cloud.provide("amazon", json!({ "aws": { "accountId": account } })).await;
    let made = cloud.exchange::<Gcp>(section("amazon"), keys).await;
    (cloud, made)
}

#[tokio::test]
async fn a_user_of_aws_lists_buckets_as_a_service_account() {
    let (cloud, made) = with_keys(aws::ACCOUNT, &good_keys()).await;
    assert_eq!(cloud.buckets(&made.unwrap()).await.unwrap(), seed::BUCKETS);
}

#[tokio::test]
async fn rejects_keys_that_aws_does_not_know() {
    let stranger = keys("AKIASTRANGER00000000", aws::SECRET_ACCESS_KEY);
    for keys in [stranger, keys(aws::ACCESS_KEY_ID, "another secret")] {
        let (_, made) = with_keys(aws::ACCOUNT, &keys).await;
        assert_refusal(&made.unwrap_err(), ErrorKind::Refused, "invalid_grant", "caller-identity");
    }
}

#[tokio::test]
async fn rejects_keys_of_another_account() {
    let (_, made) = with_keys("111111111111", &good_keys()).await;
    assert_refusal(&made.unwrap_err(), ErrorKind::Refused, "invalid_grant", "account");
}

#[tokio::test]
async fn rejects_keys_for_a_provider_of_tokens() {
    let error = Cloud::new().exchange::<Gcp>(section("github"), &good_keys()).await.unwrap_err();
    assert_refusal(&error, ErrorKind::Refused, "invalid_request", "token-type");
}

fn root() -> Authority {
    let now = Timestamp::from_second(1_795_262_400).unwrap();
    Authority::root("root", Algorithm::Es256, now - SignedDuration::from_hours(1), now + SignedDuration::from_hours(10))
        .unwrap()
}

fn svid(root: &Authority) -> Credential {
    let now = Timestamp::from_second(1_795_262_400).unwrap();
    let profile = LeafProfile {
        subject: Vec::new(),
        dns: Vec::new(),
        ip: Vec::new(),
        uri: vec!["spiffe://example.org/cart".to_owned()],
        server: true,
        client: true,
        not_before: now - SignedDuration::from_mins(1),
        not_after: now + SignedDuration::from_hours(1),
        key: Algorithm::Es256,
    };
    let issued = root.issue(&profile).unwrap();
    let private_key = SecretBytes::new(issued.private_key.expose());
    Credential::new(Material::X509(X509Identity { chain: vec![issued.certificate], private_key, bundle: Vec::new() }))
}

async fn with_svid(trusted: &Authority, svid: &Credential) -> (Cloud, Result<Credential, Error>) {
    let cloud = Cloud::new();
    let provider = json!({
        "attributeMapping": { "google.subject": "assertion.san.uri" },
        "x509": { "trustStore": { "trustAnchors": [{ "pemCertificate": trusted.certificate_pem() }] } },
    });
    cloud.provide("mesh", provider).await;
    let made = cloud.exchange::<Gcp>(section("mesh"), svid).await;
    (cloud, made)
}

#[tokio::test]
async fn an_svid_lists_buckets_as_a_service_account() {
    let root = root();
    let (cloud, made) = with_svid(&root, &svid(&root)).await;
    assert_eq!(cloud.buckets(&made.unwrap()).await.unwrap(), seed::BUCKETS);
}

#[tokio::test]
async fn rejects_svid_of_another_authority() {
    let (_, made) = with_svid(&root(), &svid(&root())).await;
    assert_refusal(&made.unwrap_err(), ErrorKind::Refused, "invalid_grant", "certificate-chain");
}
