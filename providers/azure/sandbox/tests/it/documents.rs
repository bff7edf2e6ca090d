//! Discovery, keys, instance discovery, and that whoever follows them can verify a token.

use carnet_azure_sandbox::seed;
use carnet_jose::{Algorithm, KeySet, Rules, UnverifiedJwt, verify_jwt};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{NOW, Sandbox};

async fn get(sandbox: &Sandbox, host: &str, path: &str) -> Value {
    sandbox.send("azure-entra", "GET", path, &[("host", host)], "").await.is(200)
}

#[tokio::test]
async fn whoever_follows_the_issuer_verifies_a_token() {
    let sandbox = Sandbox::new();
    for (resource, version) in [("https://storage.azure.com", 1), ("api://AzureADTokenExchange", 2)] {
        let token = sandbox.machine(resource).await;
        let token = UnverifiedJwt::parse(&token).unwrap();
        let issuer = token.unverified_issuer().unwrap().to_owned();
        let url: url::Url =
            format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')).parse().unwrap();
        let document = get(&sandbox, url.host_str().unwrap(), url.path()).await;
        assert_eq!(document["issuer"], issuer, "version {version}");
        let url: url::Url = document["jwks_uri"].as_str().unwrap().parse().unwrap();
        let keys = get(&sandbox, url.host_str().unwrap(), url.path()).await;
        let keys = KeySet::from_json(keys.to_string().as_bytes()).unwrap();
        let rules = Rules {
            issuer: Some(&issuer),
            audiences: Some(&[resource]),
            algorithms: &[Algorithm::Rs256],
            leeway: SignedDuration::ZERO,
            require_expiry: true,
            max_lifetime: None,
            types: &["JWT"],
        };
        verify_jwt(&token, &keys, &rules, Timestamp::from_second(NOW).unwrap()).unwrap();
    }
}

#[tokio::test]
async fn documents_name_the_authority_that_was_asked() {
    let sandbox = Sandbox::new();
    let path = format!("/{}/v2.0/.well-known/openid-configuration", seed::DOMAIN);
    let document = get(&sandbox, "127.0.0.1:8443", &path).await;
    let base = format!("https://127.0.0.1:8443/{}", seed::TENANT);
    assert_eq!(document["issuer"], format!("{base}/v2.0"));
    assert_eq!(document["token_endpoint"], format!("{base}/oauth2/v2.0/token"));
    assert_eq!(document["authorization_endpoint"], format!("{base}/oauth2/v2.0/authorize"));
    let common = get(&sandbox, "login.microsoftonline.com", "/common/v2.0/.well-known/openid-configuration").await;
    assert_eq!(common["issuer"], "https://login.microsoftonline.com/{tenantid}/v2.0");
    let other = "/other.example/v2.0/.well-known/openid-configuration";
    let reply = sandbox.send("azure-entra", "GET", other, &[], "").await;
    reply.aadsts(400, "invalid_request", 90_002);
}

#[tokio::test]
async fn a_rotation_ends_the_old_tokens() {
    let sandbox = Sandbox::new();
    let token = sandbox.token(seed::APPLICATION).await;
    assert_eq!(sandbox.blob("GET", "/?comp=list", &token, &[], "").await.status, StatusCode::OK);
    let path = format!("/{}/discovery/v2.0/keys", seed::TENANT);
    let before = get(&sandbox, "login.microsoftonline.com", &path).await;
    sandbox.emulator.rotate_keys("azure-entra");
    let after = get(&sandbox, "login.microsoftonline.com", &path).await;
    assert_ne!(before["keys"][0]["kid"], after["keys"][0]["kid"]);
    sandbox.blob("GET", "/?comp=list", &token, &[], "").await.xml(401, "InvalidAuthenticationInfo");
}

#[tokio::test]
async fn instance_discovery_knows_the_authorities() {
    let sandbox = Sandbox::new();
    let ask = |host: &str| {
        let endpoint = format!("https://{host}/{}/oauth2/v2.0/authorize", seed::TENANT);
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("api-version", "1.1")
            .append_pair("authorization_endpoint", &endpoint)
            .finish();
        format!("/common/discovery/instance?{query}")
    };
    let body = get(&sandbox, "login.microsoftonline.com", &ask("login.microsoftonline.com")).await;
    let expected = format!("https://login.microsoftonline.com/{}/v2.0/.well-known/openid-configuration", seed::TENANT);
    assert_eq!(body["tenant_discovery_endpoint"], expected);
    assert_eq!(body["metadata"][0]["preferred_network"], "login.microsoftonline.com");
    let reply = sandbox.send("azure-entra", "GET", &ask("localhost"), &[], "").await;
    let body = reply.is(400);
    assert_eq!((&body["error"], &body["error_codes"]), (&json!("invalid_instance"), &json!([50049])));
}
