//! Credentials of service accounts.

use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_gcp_sandbox::seed;
use carnet_jose::{Algorithm, KeySet, Rules, UnverifiedJwt, verify_jwt};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{CLOUD_PLATFORM, NOW, Sandbox};

const VERIFY: Rules<'_> = Rules {
    issuer: None,
    audiences: None,
    algorithms: &[Algorithm::Rs256],
    leeway: SignedDuration::ZERO,
    require_expiry: true,
    max_lifetime: None,
    types: &[],
};

#[tokio::test]
async fn an_access_token_ends_at_a_whole_second() {
    let sandbox = Sandbox::new();
    sandbox.advance(SignedDuration::from_millis(250));
    let token = sandbox.federated().await;
    // Python sends null for no delegates.
    let body = json!({ "scope": [CLOUD_PLATFORM], "lifetime": "600s", "delegates": null });
    let body = sandbox.impersonate(&token, "generateAccessToken", body).await.ok();
    assert_eq!(body["expireTime"], "2026-11-21T12:10:00Z");
    assert!(body["accessToken"].as_str().unwrap().starts_with("ya29.c."));
    assert_eq!(body.as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn an_account_is_known_by_its_unique_id_too() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    let uri = "/v1/projects/-/serviceAccounts/108642097531864209753:generateAccessToken";
    sandbox.api("gcp-iamcredentials", "POST", uri, &token, json!({ "scope": [CLOUD_PLATFORM] })).await.ok();
}

#[tokio::test]
async fn rejects_missing_scope() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    for body in [json!({}), json!({ "scope": [] }), json!({ "scope": "x" }), json!({ "scope": [""] })] {
        sandbox.impersonate(&token, "generateAccessToken", body).await.refused(400, "INVALID_ARGUMENT");
    }
    let half = json!({ "scope": [CLOUD_PLATFORM, 5] });
    sandbox.impersonate(&token, "generateAccessToken", half).await.refused(400, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn rejects_a_field_that_the_message_does_not_have() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    for (verb, body) in [
        ("generateAccessToken", json!({ "scope": [CLOUD_PLATFORM], "lifeTime": "600s" })),
        ("generateIdToken", json!({ "audience": "a", "include_email": true })),
    ] {
        sandbox.impersonate(&token, verb, body).await.refused(400, "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn rejects_lifetimes_that_are_too_long_or_none() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    for lifetime in [json!("3601s"), json!("43200s"), json!("0s"), json!("-5s"), json!("1h"), json!(3600)] {
        let body = json!({ "scope": [CLOUD_PLATFORM], "lifetime": lifetime });
        sandbox.impersonate(&token, "generateAccessToken", body).await.refused(400, "INVALID_ARGUMENT");
    }
    let body = json!({ "scope": [CLOUD_PLATFORM], "lifetime": "3601s" });
    let body = sandbox.impersonate(&token, "generateAccessToken", body).await.json();
    assert!(body["error"]["message"].as_str().unwrap().contains("cannot exceed 3600 seconds"));
}

#[tokio::test]
async fn rejects_missing_unknown_and_expired_tokens() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    let body = json!({ "scope": [CLOUD_PLATFORM] });
    let anonymous = sandbox
        .send(
            "gcp-iamcredentials",
            Method::POST,
            &format!("/v1/projects/-/serviceAccounts/{}:generateAccessToken", seed::READER),
            &[],
            body.to_string(),
        )
        .await;
    anonymous.refused(401, "UNAUTHENTICATED");
    assert!(anonymous.header("www-authenticate").starts_with("Bearer"));
    sandbox.impersonate("ya29.d.x", "generateAccessToken", body.clone()).await.refused(401, "UNAUTHENTICATED");
    sandbox.advance(SignedDuration::from_secs(3600));
    sandbox.impersonate(&token, "generateAccessToken", body).await.refused(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn rejects_token_without_a_fitting_scope() {
    let sandbox = Sandbox::new();
    let mut fields = Sandbox::exchange_fields(&sandbox.job(json!({})));
    fields[2].1 = "https://www.googleapis.com/auth/devstorage.read_only".to_owned();
    let token = sandbox.exchange_with(&fields).await.ok()["access_token"].as_str().unwrap().to_owned();
    let body = json!({ "scope": [CLOUD_PLATFORM] });
    let reply = sandbox.impersonate(&token, "generateAccessToken", body.clone()).await;
    reply.refused(403, "PERMISSION_DENIED");
    // The one that Python and Rust ask for.
    fields[2].1 = "https://www.googleapis.com/auth/iam".to_owned();
    let token = sandbox.exchange_with(&fields).await.ok()["access_token"].as_str().unwrap().to_owned();
    sandbox.impersonate(&token, "generateAccessToken", body).await.ok();
}

#[tokio::test]
async fn rejects_principal_without_permission_and_unknown_account_alike() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    let body = json!({ "scope": [CLOUD_PLATFORM] });
    let mut errors = Vec::new();
    for account in [seed::BUILDER, "nobody@carnet-sandbox.iam.gserviceaccount.com"] {
        let uri = format!("/v1/projects/-/serviceAccounts/{account}:generateAccessToken");
        let reply = sandbox.api("gcp-iamcredentials", "POST", &uri, &token, body.clone()).await;
        errors.push(reply.refused(403, "PERMISSION_DENIED"));
    }
    assert_eq!(errors[0], errors[1], "whether the account exists is not told");
    insta::assert_json_snapshot!(errors[0], @r#"
    {
      "error": {
        "code": 403,
        "details": [
          {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "domain": "iam.googleapis.com",
            "metadata": {
              "permission": "iam.serviceAccounts.getAccessToken"
            },
            "reason": "IAM_PERMISSION_DENIED"
          }
        ],
        "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
        "status": "PERMISSION_DENIED"
      }
    }
    "#);
}

#[tokio::test]
async fn rejects_signing_by_a_workload_identity_user() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    let body = json!({ "payload": STANDARD.encode("x") });
    sandbox.impersonate(&token, "signBlob", body).await.refused(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn delegates_hand_on() {
    let sandbox = Sandbox::new();
    let account = json!({ "accountId": "middle-man", "serviceAccount": {} });
    sandbox.iam("POST", "/v1/projects/carnet-sandbox/serviceAccounts", account).await.ok();
    let middle = "middle-man@carnet-sandbox.iam.gserviceaccount.com";
    let job = format!(
        "principal://iam.googleapis.com/projects/{}/locations/global/workloadIdentityPools/github/subject/repo:carnet-sandbox/app:ref:refs/heads/main",
        seed::PROJECT_NUMBER
    );
    for (account, member) in [(middle, job.as_str()), (seed::BUILDER, &format!("serviceAccount:{middle}"))] {
        let bindings = json!([{ "role": "roles/iam.serviceAccountTokenCreator", "members": [member] }]);
        let uri = format!("/v1/projects/-/serviceAccounts/{account}:setIamPolicy");
        sandbox.iam("POST", &uri, json!({ "policy": { "bindings": bindings } })).await.ok();
    }
    let token = sandbox.federated().await;
    let uri = format!("/v1/projects/-/serviceAccounts/{}:generateAccessToken", seed::BUILDER);
    let mut body = json!({ "scope": [CLOUD_PLATFORM] });
    sandbox.api("gcp-iamcredentials", "POST", &uri, &token, body.clone()).await.refused(403, "PERMISSION_DENIED");
    body["delegates"] = json!([format!("projects/-/serviceAccounts/{middle}")]);
    sandbox.api("gcp-iamcredentials", "POST", &uri, &token, body.clone()).await.ok();
    body["delegates"] = json!([middle]);
    sandbox.api("gcp-iamcredentials", "POST", &uri, &token, body).await.refused(400, "INVALID_ARGUMENT");
}

async fn keys(sandbox: &Sandbox, uri: &str) -> KeySet {
    let reply = sandbox.send("gcp-certs", Method::GET, uri, &[], "").await;
    KeySet::from_json(&reply.body).unwrap()
}

#[tokio::test]
async fn id_tokens_verify_with_googles_keys() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    let body = json!({ "audience": "https://service.example", "includeEmail": true });
    let body = sandbox.impersonate(&token, "generateIdToken", body).await.ok();
    let jwt = UnverifiedJwt::parse(body["token"].as_str().unwrap()).unwrap();
    let keys = keys(&sandbox, "/oauth2/v3/certs").await;
    let verified = verify_jwt(&jwt, &keys, &VERIFY, Timestamp::from_second(NOW).unwrap()).unwrap();
    insta::assert_json_snapshot!(verified.claims().0, @r#"
    {
      "aud": "https://service.example",
      "azp": "108642097531864209753",
      "email": "reader@carnet-sandbox.iam.gserviceaccount.com",
      "email_verified": true,
      "exp": 1795266000,
      "iat": 1795262400,
      "iss": "https://accounts.google.com",
      "sub": "108642097531864209753"
    }
    "#);
    let without = sandbox.impersonate(&token, "generateIdToken", json!({ "audience": "a" })).await.ok();
    let without = UnverifiedJwt::parse(without["token"].as_str().unwrap()).unwrap();
    assert!(without.unverified_claims().get("email").is_none());
    sandbox.impersonate(&token, "generateIdToken", json!({})).await.refused(400, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn what_an_account_signs_verifies_with_its_keys() {
    let sandbox = Sandbox::new();
    let bindings = json!([{
        "role": "roles/iam.serviceAccountTokenCreator",
        "members": [format!("serviceAccount:{}", seed::BUILDER)],
    }]);
    let uri = format!("/v1/projects/-/serviceAccounts/{}:setIamPolicy", seed::READER);
    sandbox.iam("POST", &uri, json!({ "policy": { "bindings": bindings } })).await.ok();
    let token = sandbox.builder().await;
    let keys = keys(&sandbox, &format!("/service_accounts/v1/jwk/{}", seed::READER)).await;

    let payload = json!({ "iss": "x", "exp": NOW + 100 }).to_string();
    let signed = sandbox.impersonate(&token, "signJwt", json!({ "payload": payload })).await.ok();
    let jwt = UnverifiedJwt::parse(signed["signedJwt"].as_str().unwrap()).unwrap();
    let verified = verify_jwt(&jwt, &keys, &VERIFY, Timestamp::from_second(NOW).unwrap()).unwrap();
    assert_eq!(verified.kid(), signed["keyId"].as_str());

    let blob = json!({ "payload": STANDARD.encode("message") });
    let signed = sandbox.impersonate(&token, "signBlob", blob).await.ok();
    let signature = STANDARD.decode(signed["signedBlob"].as_str().unwrap()).unwrap();
    let key = keys.iter().next().unwrap();
    assert!(key.verify(Algorithm::Rs256, b"message", &signature));

    let late = json!({ "exp": NOW + 12 * 3600 + 1 }).to_string();
    let past = json!({ "exp": NOW - 1 }).to_string();
    for (verb, payload) in
        [("signJwt", late), ("signJwt", past), ("signJwt", "[]".to_owned()), ("signBlob", "!".to_owned())]
    {
        let reply = sandbox.impersonate(&token, verb, json!({ "payload": payload })).await;
        reply.refused(400, "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn there_are_no_location_restrictions() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    for uri in [
        format!("/v1/projects/-/serviceAccounts/{}/allowedLocations", seed::READER),
        format!("/v1/projects/{}/locations/global/workloadIdentityPools/github/allowedLocations", seed::PROJECT_NUMBER),
    ] {
        let body = sandbox.api("gcp-iamcredentials", "GET", &uri, &token, Value::Null).await.ok();
        assert_eq!(body["encodedLocations"], "0x0");
    }
}

#[tokio::test]
async fn rejects_flags_that_are_no_flags() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    for name in ["includeEmail", "organizationNumberIncluded"] {
        let body = |flag: Value| json!({ "audience": "https://x", name: flag });
        sandbox.impersonate(&token, "generateIdToken", body(json!(true))).await.ok();
        sandbox.impersonate(&token, "generateIdToken", body(json!("true"))).await.refused(400, "INVALID_ARGUMENT");
    }
}
