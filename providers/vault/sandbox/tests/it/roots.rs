//! Roots of the servers of keys, as a mount has them.

use carnet_jose::Algorithm;
use carnet_vault_sandbox::seed;
use carnet_x509::Authority;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{NOW, Sandbox};

fn roots() -> String {
    let now = Timestamp::from_second(NOW).unwrap();
    let (from, until) = (now - SignedDuration::from_hours(1), now + SignedDuration::from_hours(1));
    Authority::root("keys", Algorithm::Es256, from, until).unwrap().certificate_pem()
}

#[tokio::test]
async fn keys_are_fetched_with_the_roots_of_the_mount() {
    let sandbox = Sandbox::new();
    let pem = roots();
    let keys = format!("{}/keys", seed::GITHUB_ISSUER);
    for config in [
        json!({ "oidc_discovery_url": seed::GITHUB_ISSUER, "oidc_discovery_ca_pem": pem }),
        json!({ "jwks_url": keys, "jwks_ca_pem": pem }),
        json!({ "jwks_pairs": [{ "jwks_url": keys, "jwks_ca_pem": pem }] }),
    ] {
        let (status, body) = sandbox.root("POST", "auth/jwt/config", config.clone()).await;
        assert_eq!(status, 204, "{config}: {body}");
        let asked = sandbox.asked();
        assert_eq!(asked.ca_pem.as_deref(), Some(pem.as_bytes()), "{config}");
        sandbox.token().await;
    }
}

#[tokio::test]
async fn what_one_mount_has_fetched_is_not_for_another_with_other_roots() {
    let sandbox = Sandbox::new();
    sandbox.token().await;
    assert_eq!(sandbox.asked().ca_pem, None);
    assert_eq!(sandbox.root("POST", "sys/auth/other", json!({ "type": "jwt" })).await.0, 204);
    let pem = roots();
    let config = json!({ "oidc_discovery_url": seed::GITHUB_ISSUER, "oidc_discovery_ca_pem": pem });
    assert_eq!(sandbox.root("POST", "auth/other/config", config).await.0, 204);
    assert_eq!(sandbox.asked().ca_pem.as_deref(), Some(pem.as_bytes()), "fetched again, with these roots");
}

#[tokio::test]
async fn rejects_roots_that_are_no_certificates() {
    let sandbox = Sandbox::new();
    let keys = format!("{}/keys", seed::GITHUB_ISSUER);
    for (config, text) in [
        (json!({ "jwks_url": keys, "jwks_ca_pem": "junk" }), "error checking jwks_ca_pem"),
        (
            json!({ "oidc_discovery_url": seed::GITHUB_ISSUER, "oidc_discovery_ca_pem": "junk" }),
            "error checking oidc discovery URL",
        ),
    ] {
        let (status, body): (u16, Value) = sandbox.root("POST", "auth/jwt/config", config).await;
        assert!(status == 400 && body["errors"][0].as_str().unwrap().starts_with(text), "{body}");
    }
}
