//! Pools, providers, service accounts, policies.

use carnet_gcp_sandbox::seed;
use carnet_jose::{Algorithm, SigningKey};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{CLOUD_PLATFORM, Sandbox, sign};

const POOLS: &str = "/v1/projects/carnet-sandbox/locations/global/workloadIdentityPools";

fn provider(issuer: &str) -> Value {
    json!({
        "attributeMapping": { "google.subject": "assertion.sub" },
        "oidc": { "issuerUri": issuer, "allowedAudiences": ["carnet"] },
    })
}

/// Sends a change and polls its operation to the end.
async fn change(sandbox: &Sandbox, method: &str, uri: &str, body: Value) -> Value {
    let started = sandbox.iam(method, uri, body).await.ok();
    assert_eq!(started["done"], false);
    let name = started["name"].as_str().unwrap();
    let done = sandbox.iam("GET", &format!("/v1/{name}"), Value::Null).await.ok();
    assert_eq!(done["done"], true);
    done["response"].clone()
}

#[tokio::test]
async fn a_pool_is_made_changed_listed_and_found() {
    let sandbox = Sandbox::new();
    let uri = format!("{POOLS}?workloadIdentityPoolId=build-pool");
    let made = change(&sandbox, "POST", &uri, json!({ "displayName": "Builds" })).await;
    insta::assert_json_snapshot!(made, @r#"
    {
      "@type": "type.googleapis.com/google.iam.v1.WorkloadIdentityPool",
      "displayName": "Builds",
      "mode": "FEDERATION_ONLY",
      "name": "projects/123456789012/locations/global/workloadIdentityPools/build-pool",
      "state": "ACTIVE"
    }
    "#);
    let one = format!("{POOLS}/build-pool");
    let mask = format!("{one}?updateMask=display_name,disabled");
    change(&sandbox, "PATCH", &mask, json!({ "displayName": "Other", "disabled": true, "description": "no" })).await;
    let found = sandbox.iam("GET", &one, Value::Null).await.ok();
    assert_eq!((&found["displayName"], &found["disabled"]), (&json!("Other"), &json!(true)));
    assert_eq!(found.get("description"), None, "not in the mask");
    let names = |list: &Value| {
        let pools = list["workloadIdentityPools"].as_array().unwrap();
        pools
            .iter()
            .map(|pool| pool["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = sandbox.iam("GET", &format!("{POOLS}?pageSize=2"), Value::Null).await.ok();
    assert_eq!(names(&first), ["build-pool", "github"]);
    let next = format!("{POOLS}?pageSize=2&pageToken={}", first["nextPageToken"].as_str().unwrap());
    let second = sandbox.iam("GET", &next, Value::Null).await.ok();
    assert_eq!(names(&second), ["machines", "oracle"]);
    assert_eq!(second.get("nextPageToken"), None);
}

#[tokio::test]
async fn a_deleted_pool_keeps_its_id_until_it_is_purged() {
    let sandbox = Sandbox::new();
    let pool = format!("{POOLS}/github");
    let create = format!("{POOLS}?workloadIdentityPoolId=github");
    let deleted = change(&sandbox, "DELETE", &pool, Value::Null).await;
    assert_eq!((&deleted["state"], &deleted["expireTime"]), (&json!("DELETED"), &json!("2026-12-21T12:00:00Z")));
    sandbox.iam("POST", &create, json!({})).await.refused(409, "ALREADY_EXISTS");
    sandbox.iam("DELETE", &pool, Value::Null).await.refused(400, "FAILED_PRECONDITION");
    sandbox.iam("PATCH", &pool, json!({ "disabled": true })).await.refused(400, "FAILED_PRECONDITION");
    let list = sandbox.iam("GET", POOLS, Value::Null).await.ok();
    assert_eq!(list["workloadIdentityPools"].as_array().unwrap().len(), 2);
    let all = sandbox.iam("GET", &format!("{POOLS}?showDeleted=true"), Value::Null).await.ok();
    assert_eq!(all["workloadIdentityPools"].as_array().unwrap().len(), 3);
    let back = change(&sandbox, "POST", &format!("{pool}:undelete"), json!({})).await;
    assert_eq!((&back["state"], back.get("expireTime")), (&json!("ACTIVE"), None));
    sandbox.iam("POST", &format!("{pool}:undelete"), json!({})).await.refused(400, "FAILED_PRECONDITION");
    change(&sandbox, "DELETE", &pool, Value::Null).await;
    sandbox.advance(SignedDuration::from_hours(30 * 24));
    sandbox.iam("POST", &format!("{pool}:undelete"), json!({})).await.refused(404, "NOT_FOUND");
    change(&sandbox, "POST", &create, json!({})).await;
}

#[tokio::test]
async fn tokens_stop_with_their_pool_and_come_back_with_it() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    let list = || sandbox.api("gcp-storage", "GET", "/storage/v1/b?project=carnet-sandbox", &token, Value::Null);
    assert_eq!(list().await.status, 200);
    let pool = format!("{POOLS}/github?updateMask=disabled");
    change(&sandbox, "PATCH", &pool, json!({ "disabled": true })).await;
    assert_eq!(list().await.status, 401);
    assert_eq!(sandbox.exchange(&sandbox.job(json!({}))).await.json()["error"], "invalid_target");
    change(&sandbox, "PATCH", &pool, json!({ "disabled": false })).await;
    assert_eq!(list().await.status, 200);
}

#[tokio::test]
async fn rejects_a_pool_that_is_disabled_with_a_text() {
    let sandbox = Sandbox::new();
    let pool = format!("{POOLS}/github?updateMask=disabled");
    for text in [json!("true"), json!(1)] {
        sandbox.iam("PATCH", &pool, json!({ "disabled": text })).await.refused(400, "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn a_disabled_provider_only_stops_new_exchanges() {
    let sandbox = Sandbox::new();
    let token = sandbox.federated().await;
    let provider = format!("{POOLS}/github/providers/github?updateMask=disabled");
    change(&sandbox, "PATCH", &provider, json!({ "disabled": true })).await;
    assert_eq!(sandbox.exchange(&sandbox.job(json!({}))).await.json()["error"], "invalid_target");
    let list = sandbox.api("gcp-storage", "GET", "/storage/v1/b?project=carnet-sandbox", &token, Value::Null).await;
    assert_eq!(list.status, 200);
}

#[tokio::test]
async fn a_provider_with_uploaded_keys_takes_tokens_and_a_rotation() {
    let sandbox = Sandbox::new();
    let issuer = "https://cluster.internal.example";
    let old = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("k1");
    let new = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("k2");
    let jwks = |key: &SigningKey| json!({ "keys": [key.public_jwk()] }).to_string();
    let mut body = provider(issuer);
    body["oidc"]["jwksJson"] = jwks(&old).into();
    let create = format!("{POOLS}/oracle/providers?workloadIdentityPoolProviderId=cluster");
    let made = change(&sandbox, "POST", &create, body).await;
    assert_eq!(made["@type"], "type.googleapis.com/google.iam.v1.WorkloadIdentityPoolProvider");
    let now = sandbox.now();
    let claims = json!({ "iss": issuer, "sub": "pod", "aud": "carnet", "iat": now, "exp": now + 60 });
    let mut fields = Sandbox::exchange_fields("");
    fields[1].1 = seed::audience(seed::ORACLE).replace("providers/oracle", "providers/cluster");
    for (key, expected) in [(&old, 200), (&new, 400)] {
        fields[4].1 = sign(key, &claims);
        assert_eq!(sandbox.exchange_with(&fields).await.status, expected);
    }
    let patch = format!("{POOLS}/oracle/providers/cluster?updateMask=oidc.jwksJson");
    let changed = change(&sandbox, "PATCH", &patch, json!({ "oidc": { "jwksJson": jwks(&new) } })).await;
    assert_eq!(changed["oidc"]["issuerUri"], issuer, "only the mask changes");
    for (key, expected) in [(&old, 400), (&new, 200)] {
        fields[4].1 = sign(key, &claims);
        assert_eq!(sandbox.exchange_with(&fields).await.status, expected);
    }
}

#[tokio::test]
async fn a_deleted_provider_can_be_brought_back() {
    let sandbox = Sandbox::new();
    let one = format!("{POOLS}/github/providers/github");
    assert_eq!(change(&sandbox, "DELETE", &one, Value::Null).await["state"], "DELETED");
    let create = format!("{POOLS}/github/providers?workloadIdentityPoolProviderId=github");
    sandbox.iam("POST", &create, provider("https://issuer.example")).await.refused(409, "ALREADY_EXISTS");
    assert_eq!(sandbox.exchange(&sandbox.job(json!({}))).await.json()["error"], "invalid_target");
    assert_eq!(change(&sandbox, "POST", &format!("{one}:undelete"), json!({})).await["state"], "ACTIVE");
    sandbox.exchange(&sandbox.job(json!({}))).await.ok();
    let list = sandbox.iam("GET", &format!("{POOLS}/github/providers"), Value::Null).await.ok();
    assert_eq!(list["workloadIdentityPoolProviders"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn rejects_providers_that_google_rejects() {
    let sandbox = Sandbox::new();
    let create = format!("{POOLS}/oracle/providers?workloadIdentityPoolProviderId=other");
    let mut body = provider("http://issuer.example");
    body["attributeMapping"] = json!({ "attribute.x": "assertion." });
    let error = sandbox.iam("POST", &create, body).await.refused(400, "INVALID_ARGUMENT");
    let fields: Vec<&str> = error["error"]["details"][0]["fieldViolations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|violation| violation["field"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["oidc.issuerUri", "attributeMapping", "attributeMapping.attribute.x"]);
    for (name, value) in [("unknown", json!(1)), ("attributeMapping", json!([])), ("oidc", json!({ "clientId": "x" }))]
    {
        let mut body = provider("https://issuer.example");
        body[name] = value;
        sandbox.iam("POST", &create, body).await.refused(400, "INVALID_ARGUMENT");
    }
    let shared = provider(seed::GITHUB_ISSUER);
    sandbox.iam("POST", &create, shared).await.refused(400, "INVALID_ARGUMENT");
    let mut saml = provider("https://issuer.example");
    saml["saml"] = json!({ "idpMetadataXml": "<x/>" });
    sandbox.iam("POST", &create, saml).await.refused(501, "UNIMPLEMENTED");
    let nowhere = create.replace("oracle", "nowhere");
    sandbox.iam("POST", &nowhere, provider("https://issuer.example")).await.refused(404, "NOT_FOUND");
    let mask = format!("{POOLS}/oracle/providers/oracle?updateMask=state");
    sandbox.iam("PATCH", &mask, json!({})).await.refused(400, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn rejects_pools_that_google_rejects() {
    let sandbox = Sandbox::new();
    for id in ["", "abc", "gcp-pool", "Upper"] {
        let uri = format!("{POOLS}?workloadIdentityPoolId={id}");
        sandbox.iam("POST", &uri, json!({})).await.refused(400, "INVALID_ARGUMENT");
    }
    let uri = format!("{POOLS}?workloadIdentityPoolId=good-pool");
    sandbox.iam("POST", &uri, json!({ "displayName": 1 })).await.refused(400, "INVALID_ARGUMENT");
    sandbox.iam("POST", &uri, json!({ "mode": "TRUST_DOMAIN" })).await.refused(501, "UNIMPLEMENTED");
    let elsewhere = uri.replace("carnet-sandbox", "elsewhere");
    sandbox.iam("POST", &elsewhere, json!({})).await.refused(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn rejects_administration_by_others() {
    let sandbox = Sandbox::new();
    let reader = sandbox.reader().await;
    for (method, uri) in [
        ("GET", POOLS.to_owned()),
        ("POST", format!("{POOLS}?workloadIdentityPoolId=good-pool")),
        ("DELETE", format!("{POOLS}/github")),
        ("DELETE", format!("{POOLS}/github/providers/github")),
        ("GET", "/v1/projects/carnet-sandbox/serviceAccounts".to_owned()),
        ("DELETE", format!("/v1/projects/-/serviceAccounts/{}", seed::READER)),
        ("POST", format!("/v1/projects/-/serviceAccounts/{}:setIamPolicy", seed::READER)),
    ] {
        sandbox.api("gcp-iam", method, &uri, &reader, json!({})).await.refused(403, "PERMISSION_DENIED");
        sandbox.api("gcp-iam", method, &uri, "x", json!({})).await.refused(401, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn a_service_account_is_made_found_and_deleted() {
    let sandbox = Sandbox::new();
    let all = "/v1/projects/carnet-sandbox/serviceAccounts";
    let body = json!({ "accountId": "night-job", "serviceAccount": { "displayName": "Night" } });
    let made = sandbox.iam("POST", all, body.clone()).await.ok();
    assert_eq!(made["email"], "night-job@carnet-sandbox.iam.gserviceaccount.com");
    assert_eq!(made["uniqueId"].as_str().unwrap().len(), 21);
    sandbox.iam("POST", all, body).await.refused(409, "ALREADY_EXISTS");
    for id in ["short", "1starts", "ends-in-", "Upper-case"] {
        sandbox.iam("POST", all, json!({ "accountId": id })).await.refused(400, "INVALID_ARGUMENT");
    }
    let one = format!("/v1/projects/-/serviceAccounts/{}", made["uniqueId"].as_str().unwrap());
    assert_eq!(sandbox.iam("GET", &one, Value::Null).await.ok()["email"], made["email"]);
    assert_eq!(sandbox.iam("GET", all, Value::Null).await.ok()["accounts"].as_array().unwrap().len(), 3);
    sandbox.iam("DELETE", &one, Value::Null).await.ok();
    sandbox.iam("GET", &one, Value::Null).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn tokens_stop_with_their_service_account() {
    let sandbox = Sandbox::new();
    let reader = sandbox.reader().await;
    let uri = "/storage/v1/b?project=carnet-sandbox";
    assert_eq!(sandbox.api("gcp-storage", "GET", uri, &reader, Value::Null).await.status, 200);
    sandbox.iam("DELETE", &format!("/v1/projects/-/serviceAccounts/{}", seed::READER), Value::Null).await.ok();
    assert_eq!(sandbox.api("gcp-storage", "GET", uri, &reader, Value::Null).await.status, 401);
}

#[tokio::test]
async fn a_policy_is_changed_with_its_etag_or_not_at_all() {
    let sandbox = Sandbox::new();
    let account = format!("/v1/projects/carnet-sandbox/serviceAccounts/{}", seed::READER);
    let get = format!("{account}:getIamPolicy?options.requestedPolicyVersion=3");
    let set = format!("{account}:setIamPolicy");
    let mut policy = sandbox.iam("POST", &get, Value::Null).await.ok();
    policy["bindings"].as_array_mut().unwrap().clear();
    let changed = sandbox.iam("POST", &set, json!({ "policy": policy, "updateMask": "bindings,etag" })).await.ok();
    assert_ne!(changed["etag"], policy["etag"]);
    assert_eq!(changed.get("bindings"), None);
    let stale = sandbox.iam("POST", &set, json!({ "policy": policy })).await;
    let body = stale.refused(409, "ABORTED");
    assert!(body["error"]["message"].as_str().unwrap().contains("concurrent policy changes"));
    // The job has lost its role.
    let token = sandbox.federated().await;
    let body = json!({ "scope": [CLOUD_PLATFORM] });
    sandbox.impersonate(&token, "generateAccessToken", body).await.refused(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn rejects_policies_that_google_rejects() {
    let sandbox = Sandbox::new();
    let set = format!("/v1/projects/-/serviceAccounts/{}:setIamPolicy", seed::READER);
    let binding =
        |role: &str, member: &str| json!({ "policy": { "bindings": [{ "role": role, "members": [member] }] } });
    let user = "roles/iam.workloadIdentityUser";
    for body in [
        json!({}),
        json!({ "policy": [] }),
        json!({ "policy": { "bindings": {} } }),
        binding("viewer", "allUsers"),
        binding(user, "nobody"),
        binding(user, "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*"),
        binding(user, "serviceAccount:nobody@carnet-sandbox.iam.gserviceaccount.com"),
        json!({ "policy": { "version": 1, "bindings": [{ "role": user, "members": [], "condition": { "expression": "true" } }] } }),
    ] {
        sandbox.iam("POST", &set, body).await.refused(400, "INVALID_ARGUMENT");
    }
}

#[tokio::test]
async fn permissions_can_be_tested_by_anybody() {
    let sandbox = Sandbox::new();
    let uri = format!("/v1/projects/-/serviceAccounts/{}:testIamPermissions", seed::READER);
    let body = json!({ "permissions": ["iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.signJwt"] });
    let token = sandbox.federated().await;
    let held = sandbox.api("gcp-iam", "POST", &uri, &token, body).await.ok();
    assert_eq!(held, json!({ "permissions": ["iam.serviceAccounts.getAccessToken"] }));
}

#[tokio::test]
async fn pools_have_policies_too() {
    let sandbox = Sandbox::new();
    let pool = format!("{POOLS}/github");
    let policy = sandbox.iam("POST", &format!("{pool}:getIamPolicy"), json!({})).await.ok();
    assert_eq!(policy, json!({ "version": 1, "etag": "ACAB" }));
    let member = format!("serviceAccount:{}", seed::READER);
    let bindings = json!([{ "role": "roles/iam.workloadIdentityPoolViewer", "members": [member] }]);
    let body = json!({ "policy": { "bindings": bindings, "etag": "ACAB" } });
    sandbox.iam("POST", &format!("{pool}:setIamPolicy"), body).await.ok();
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let sandbox = Sandbox::new();
    for (method, uri) in [
        ("GET", "/".to_owned()),
        ("GET", "/v1/projects".to_owned()),
        ("PUT", POOLS.to_owned()),
        ("GET", format!("{POOLS}/nothing")),
        ("GET", format!("{POOLS}/github/providers/nothing")),
        ("GET", format!("{POOLS}/github/operations/nothing")),
        ("POST", format!("{POOLS}/github:explode")),
    ] {
        sandbox.iam(method, &uri, Value::Null).await.refused(404, "NOT_FOUND");
    }
}
