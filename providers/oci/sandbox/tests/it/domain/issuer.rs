//! The issuer of the domain's access tokens, its keys, and what both say of a token that was issued before.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_oci_sandbox::seed;
use carnet_sandbox_kit::{Fault, FaultKind};
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    access::{JWKS, anonymous, verifies},
    support::{Answer, Sandbox, claims},
};

async fn patch_settings(sandbox: &Sandbox, path: &str, value: Value) -> Answer {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "REPLACE", "path": path, "value": value}],
    });
    sandbox.admin(Method::PATCH, "/admin/v1/Settings/Settings", Some(body)).await
}

#[tokio::test]
async fn the_keys_are_protected_until_they_are_opened() {
    let sandbox = Sandbox::new();
    patch_settings(&sandbox, "signingCertPublicAccess", json!(false)).await.ok(200);
    anonymous(&sandbox, JWKS).await.scim_error(401);
    let token = sandbox.admin_token().await;
    assert_eq!(sandbox.bearer(&token, Method::GET, JWKS, None).await.status, 200);
    assert_eq!(sandbox.signed_admin(Method::GET, JWKS, None).await.status, 200);
    patch_settings(&sandbox, "signingCertPublicAccess", json!(true)).await.ok(200);
    assert_eq!(anonymous(&sandbox, JWKS).await.status, 200);
}

#[tokio::test]
async fn the_issuer_is_a_setting_and_the_one_before_is_remembered() {
    let sandbox = Sandbox::new();
    let old = sandbox.admin_token().await;
    let settings = patch_settings(&sandbox, "issuer", json!("https://issuer.example/")).await.ok(200);
    assert_eq!(settings["prevIssuer"], json!(seed::DOMAIN_URL));
    let new = sandbox.admin_token().await;
    assert_eq!(claims(&new)["iss"], json!("https://issuer.example/"));
    assert_eq!(
        anonymous(&sandbox, "/.well-known/openid-configuration").await.body["issuer"],
        "https://issuer.example/"
    );
    for token in [&old, &new] {
        assert_eq!(sandbox.bearer(token, Method::GET, "/admin/v1/Users", None).await.status, 200);
    }
    patch_settings(&sandbox, "issuer", json!("https://third.example")).await.ok(200);
    sandbox.bearer(&old, Method::GET, "/admin/v1/Users", None).await.scim_error(401);

    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "remove", "path": "issuer"}],
    });
    sandbox.admin(Method::PATCH, "/admin/v1/Settings/Settings", Some(body)).await.ok(200);
    let token = sandbox.admin_token().await;
    assert_eq!(claims(&token)["iss"], json!("https://identity.oraclecloud.com/"), "the same for every domain");
}

#[tokio::test]
async fn two_domains_with_one_issuer_have_different_keys() {
    let (one, other) = (Sandbox::new(), Sandbox::new());
    let token = one.admin_token().await;
    let jwks = anonymous(&other, JWKS).await.ok(200);
    assert!(!verifies(&token, &jwks, one.now()));
    other.bearer(&token, Method::GET, "/admin/v1/Users", None).await.scim_error(401);
}

#[tokio::test]
async fn after_a_rotation_old_tokens_are_refused_and_the_keys_are_new() {
    let sandbox = Sandbox::new();
    let token = sandbox.admin_token().await;
    let before = anonymous(&sandbox, JWKS).await.ok(200);
    sandbox.emulator.rotate_keys("oci-domain");
    let after = anonymous(&sandbox, JWKS).await.ok(200);
    assert_ne!(before["keys"][0]["n"], after["keys"][0]["n"]);
    assert_ne!(before["keys"][0]["x5t#S256"], after["keys"][0]["x5t#S256"]);
    sandbox.bearer(&token, Method::GET, "/admin/v1/Users", None).await.scim_error(401);
    let new = sandbox.admin_token().await;
    assert_eq!(sandbox.bearer(&new, Method::GET, "/admin/v1/Users", None).await.status, 200);
}

#[tokio::test]
async fn rejects_expired_access_token() {
    let sandbox = Sandbox::new();
    let token = sandbox.admin_token().await;
    sandbox.world.clock.advance(SignedDuration::from_secs(3_600));
    sandbox.bearer(&token, Method::GET, "/admin/v1/Users", None).await.scim_error(401);

    let fault =
        Fault { kind: FaultKind::Expired, service: "oci-domain".to_owned(), path: String::new(), times: Some(1) };
    sandbox.world.faults.add(fault);
    let born_dead = sandbox.admin_token().await;
    sandbox.bearer(&born_dead, Method::GET, "/admin/v1/Users", None).await.scim_error(401);
}

#[tokio::test]
async fn the_certificate_of_the_key_set_is_that_of_the_key() {
    let sandbox = Sandbox::new();
    let jwks = anonymous(&sandbox, JWKS).await.ok(200);
    let der = STANDARD.decode(jwks["keys"][0]["x5c"][0].as_str().unwrap()).unwrap();
    let certificate = carnet_x509::Certificate::from_der(&der).unwrap();
    assert_eq!(json!(certificate.public_key().unwrap().to_jwk().n), jwks["keys"][0]["n"]);
}
