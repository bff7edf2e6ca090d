//! Identities and the configuration of their methods.

use carnet_infisical_sandbox::seed;
use serde_json::{Value, json};

use crate::support::{Sandbox, refused};

fn at(method: &str) -> String {
    format!("v1/auth/{method}/identities/{}", seed::WORKER)
}

#[tokio::test]
async fn a_method_is_added_read_changed_and_removed() {
    let sandbox = Sandbox::new();
    let admin = sandbox.admin().await;
    let send = async |verb: &str, body: Value| sandbox.with(&admin, verb, &at("oci-auth"), body).await;
    let (_, made) = send("POST", json!({ "tenancyOcid": seed::TENANCY, "allowedUsernames": "a, b" })).await;
    let auth = &made["identityOciAuth"];
    assert_eq!((&auth["accessTokenTTL"], &auth["accessTokenMaxTTL"]), (&json!(2_592_000), &json!(2_592_000)));
    assert_eq!(auth["accessTokenTrustedIps"], json!([{ "ipAddress": "0.0.0.0/0" }, { "ipAddress": "::/0" }]));
    assert_eq!(auth["identityId"], seed::WORKER);
    refused(send("POST", json!({})).await, 400, "BadRequest", "already configured identity");
    assert_eq!(send("PATCH", json!({ "accessTokenTTL": 60 })).await.0, 200);
    let (_, read) = send("GET", Value::Null).await;
    assert_eq!(
        (&read["identityOciAuth"]["accessTokenTTL"], &read["identityOciAuth"]["allowedUsernames"]),
        (&json!(60), &json!("a, b"))
    );
    assert_eq!(send("DELETE", Value::Null).await.0, 200);
    refused(send("GET", Value::Null).await, 400, "BadRequest", "does not have oci auth attached");
    refused(send("PATCH", json!({})).await, 400, "BadRequest", "Failed to update");
}

#[tokio::test]
async fn the_token_of_a_reviewer_is_kept_and_not_read_back() {
    let sandbox = Sandbox::new();
    let fields = json!({ "kubernetesHost": "https://10.0.0.1", "tokenReviewerJwt": "reviewer" });
    sandbox.configure("kubernetes-auth", fields).await;
    sandbox.configure("kubernetes-auth", json!({ "allowedNames": "app" })).await;
    let (_, body) = sandbox.with(&sandbox.admin().await, "GET", &at("kubernetes-auth"), Value::Null).await;
    assert!(!body.to_string().contains("reviewer"), "{body}");
    let url = "https://10.0.0.1/apis/authentication.k8s.io/v1/tokenreviews";
    sandbox.worker("kubernetes-auth", json!({ "jwt": "x" })).await;
    assert_eq!(sandbox.others.asked(url)[0].headers["authorization"], "Bearer reviewer");
}

#[tokio::test]
async fn rejects_each_configuration_that_infisical_refuses() {
    let sandbox = Sandbox::new();
    let admin = sandbox.admin().await;
    for (method, fields, status, text) in [
        ("oci-auth", json!({ "tenancyOcid": "ocid1.tenancy.oc2..x" }), 422, "tenancyOcid"),
        ("oci-auth", json!({ "tenancyOcid": seed::TENANCY, "allowedUsernames": "idp/a" }), 422, "allowedUsernames"),
        ("oidc-auth", json!({ "accessTokenTTL": -1 }), 422, "accessTokenTTL"),
        (
            "oidc-auth",
            json!({ "accessTokenTTL": 2, "accessTokenMaxTTL": 1 }),
            400,
            "Access token TTL cannot be greater than max TTL",
        ),
        ("oidc-auth", json!({ "accessTokenTrustedIps": [{ "ipAddress": "x" }] }), 400, "not a valid IPv4"),
        ("jwt-auth", json!({ "configurationType": "static", "publicKeys": ["x"] }), 422, "publicKeys"),
        ("jwt-auth", json!({ "configurationType": "other" }), 422, "other"),
        ("spiffe-auth", json!({}), 422, "trustDomain"),
        ("kubernetes-auth", json!({}), 422, "kubernetesHost"),
    ] {
        let (seen, body) = sandbox.with(&admin, "POST", &at(method), fields).await;
        assert_eq!(seen, status, "{method}: {body}");
        assert!(body["message"].to_string().contains(text), "{method}: {body}");
    }
}

#[tokio::test]
async fn rejects_who_is_no_administrator_and_identities_that_are_not_there() {
    let sandbox = Sandbox::new();
    let (admin, token) = (sandbox.admin().await, sandbox.token().await);
    let denied = sandbox.with(&token, "POST", &at("oci-auth"), json!({})).await;
    refused(denied, 403, "PermissionDenied", "You are not allowed to edit on identity");
    let denied = sandbox.with(&token, "POST", "v1/identities", json!({ "name": "x" })).await;
    refused(denied, 403, "PermissionDenied", "You are not allowed to create on identity");
    let missing = sandbox.with(&admin, "GET", "v1/auth/oci-auth/identities/none", Value::Null).await;
    refused(missing, 404, "NotFound", "Failed to find identity with ID none");
}

#[tokio::test]
async fn a_new_identity_gets_a_client_id_and_a_secret_that_logs_in() {
    let sandbox = Sandbox::new();
    let admin = sandbox.admin().await;
    let (_, made) = sandbox.with(&admin, "POST", "v1/identities", json!({ "name": "new" })).await;
    let id = made["identity"]["id"].as_str().unwrap();
    let path = format!("v1/auth/universal-auth/identities/{id}");
    let (_, auth) = sandbox.with(&admin, "POST", &path, json!({})).await;
    let (_, secret) = sandbox.with(&admin, "POST", &format!("{path}/client-secrets"), json!({})).await;
    let body = json!({ "clientId": auth["identityUniversalAuth"]["clientId"], "clientSecret": secret["clientSecret"] });
    assert_eq!(sandbox.login("universal-auth", body).await.0, 200);
}
