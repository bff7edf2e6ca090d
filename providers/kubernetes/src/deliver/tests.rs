use carnet_core::{AccessToken, ErrorKind, ScriptedHttp};
use carnet_jose::{Algorithm, SigningKey, private_key_from_pem};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::testing::place;

const END: &str = "2026-11-21T13:00:00.75Z";

fn jwt() -> Credential {
    Credential::new(Material::Jwt(Secret::new("head.claims.signature"))).expires_at(END.parse::<Timestamp>().unwrap())
}

async fn deliver(config: Value, info: Option<&str>, credential: &Credential) -> Result<Value, Error> {
    let variables: Vec<(&str, &str)> = info.map(|info| (INFO, info)).into_iter().collect();
    let (context, _) = place(&variables, &[], ScriptedHttp::default());
    let delivery = serde_json::from_value::<ExecCredential>(config).unwrap().build().unwrap();
    // Otherwise nothing of it would be written.
    assert_eq!(delivery.output(), Output::Whole);
    let delivered = delivery.deliver(&context, credential).await?;
    assert!(delivered.environment.is_empty() && delivered.files.is_empty());
    Ok(serde_json::from_slice(delivered.output.unwrap().expose()).unwrap())
}

fn info(version: &str) -> String {
    json!({"kind": "ExecCredential", "apiVersion": version, "spec": {"interactive": false}}).to_string()
}

#[tokio::test]
async fn a_token_is_written_with_its_end_in_whole_seconds() {
    let written = deliver(json!({}), None, &jwt()).await.unwrap();
    let wanted = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"expirationTimestamp": "2026-11-21T13:00:00Z", "token": "head.claims.signature"},
    });
    assert_eq!(written, wanted);
}

#[tokio::test]
async fn a_token_whose_end_is_not_known_is_written_without_one() {
    let mut endless = jwt();
    endless.expires_at = None;
    let written = deliver(json!({}), None, &endless).await.unwrap();
    assert_eq!(written["status"], json!({"token": "head.claims.signature"}));
}

#[tokio::test]
async fn the_client_says_which_version_it_reads() {
    for version in [V1, V1BETA1] {
        let written = deliver(json!({}), Some(&info(version)), &jwt()).await.unwrap();
        assert_eq!(written["apiVersion"], version);
    }
    let written = deliver(json!({"version": "v1beta1"}), None, &jwt()).await.unwrap();
    assert_eq!(written["apiVersion"], V1BETA1);
}

#[tokio::test]
async fn rejects_a_version_that_the_client_does_not_read() {
    let error = deliver(json!({"version": "v1beta1"}), Some(&info(V1)), &jwt()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    for info in [
        info("client.authentication.k8s.io/v1alpha1"),
        json!({"kind": "Pod", "apiVersion": V1}).to_string(),
        "{}".to_owned(),
        "MARK".to_owned(),
    ] {
        let error = deliver(json!({}), Some(&info), &jwt()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{info}");
        assert!(!format!("{error:?}").contains("MARK"));
    }
}

proptest::proptest! {
    #[test]
    fn no_text_of_a_client_breaks_the_reader(text in "\\PC{0,80}", version in "[a-z0-9./]{0,40}") {
        proptest::prop_assert!(asked(&text).is_err());
        let known = [V1, V1BETA1].contains(&version.as_str());
        proptest::prop_assert_eq!(asked(&info(&version)).is_ok(), known);
    }
}

#[tokio::test]
async fn an_access_token_must_be_a_bearer_token() {
    let access = |kind: &str| {
        let token = AccessToken { token: Secret::new("opaque"), token_type: kind.to_owned() };
        Credential::new(Material::AccessToken(token))
    };
    let written = deliver(json!({}), None, &access("Bearer")).await.unwrap();
    assert_eq!(written["status"]["token"], "opaque");
    assert_eq!(deliver(json!({}), None, &access("DPoP")).await.unwrap_err().kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn rejects_a_token_that_would_break_the_header() {
    let broken = Credential::new(Material::Jwt(Secret::new("a\r\nX-Evil: 1")));
    assert_eq!(deliver(json!({}), None, &broken).await.unwrap_err().kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn a_certificate_comes_with_its_chain_and_key() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap().to_pkcs8().unwrap();
    let identity = X509Identity { chain: vec![vec![1], vec![2]], private_key: key.clone(), bundle: Vec::new() };
    let written = deliver(json!({}), None, &Credential::new(Material::X509(identity))).await.unwrap();
    let status = &written["status"];
    assert_eq!(status["clientCertificateData"].as_str().unwrap().matches("BEGIN CERTIFICATE").count(), 2);
    let pem = status["clientKeyData"].as_str().unwrap();
    assert_eq!(private_key_from_pem(pem.as_bytes(), None).unwrap().expose(), key.expose());
    assert!(status.get("token").is_none());
}

#[tokio::test]
async fn rejects_an_identity_without_a_certificate() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap().to_pkcs8().unwrap();
    let identity = X509Identity { chain: Vec::new(), private_key: key, bundle: Vec::new() };
    assert!(deliver(json!({}), None, &Credential::new(Material::X509(identity))).await.is_err());
}
