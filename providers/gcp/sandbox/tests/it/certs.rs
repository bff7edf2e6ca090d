//! Google's own issuer.

use carnet_gcp_sandbox::seed;
use http::Method;
use serde_json::Value;

use crate::support::Sandbox;

async fn get(sandbox: &Sandbox, uri: &str) -> crate::support::Reply {
    sandbox.send("gcp-certs", Method::GET, uri, &[], "").await
}

#[tokio::test]
async fn discovery_leads_to_the_keys() {
    let sandbox = Sandbox::new();
    let discovery = get(&sandbox, "/.well-known/openid-configuration").await.ok();
    assert_eq!(discovery["issuer"], "https://accounts.google.com");
    assert_eq!(discovery["jwks_uri"], "https://www.googleapis.com/oauth2/v3/certs");
    let keys = get(&sandbox, "/oauth2/v3/certs").await;
    assert!(keys.header("cache-control").contains("max-age"));
    assert_eq!(keys.json()["keys"][0]["alg"], "RS256");
}

#[tokio::test]
async fn a_rotation_changes_the_keys() {
    let sandbox = Sandbox::new();
    let kid = |body: Value| body["keys"][0]["kid"].as_str().unwrap().to_owned();
    let before = kid(get(&sandbox, "/oauth2/v3/certs").await.ok());
    sandbox.emulator.rotate_keys("gcp-storage");
    assert_eq!(kid(get(&sandbox, "/oauth2/v3/certs").await.ok()), before);
    sandbox.emulator.rotate_keys("gcp-certs");
    assert_ne!(kid(get(&sandbox, "/oauth2/v3/certs").await.ok()), before);
}

#[tokio::test]
async fn only_accounts_that_exist_have_keys() {
    let sandbox = Sandbox::new();
    let raw = get(&sandbox, &format!("/service_accounts/v1/metadata/raw/{}", seed::READER)).await.ok();
    assert!(
        raw.as_object().unwrap().values().all(|pem| pem.as_str().unwrap().starts_with("-----BEGIN PUBLIC KEY-----"))
    );
    for uri in ["/service_accounts/v1/jwk/nobody@example.com", "/service_accounts/v1/other/x", "/"] {
        get(&sandbox, uri).await.refused(404, "NOT_FOUND");
    }
}
