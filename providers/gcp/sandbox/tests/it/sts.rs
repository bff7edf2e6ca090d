//! The token service.

use std::sync::atomic::Ordering;

use carnet_gcp_sandbox::seed;
use carnet_jose::{Algorithm, SigningKey};
use carnet_sandbox_kit::{Fault, FaultKind};
use carnet_trust::Decision;
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{CLOUD_PLATFORM, NOW, Reply, Sandbox, sign};

#[track_caller]
fn refused(reply: &Reply, error: &str, text: &str) {
    let body = reply.json();
    assert_eq!((reply.status.as_u16(), body["error"].as_str()), (400, Some(error)), "{body}");
    assert!(body["error_description"].as_str().unwrap().contains(text), "{body}");
    assert_eq!(body.as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn a_job_becomes_a_principal() {
    let sandbox = Sandbox::new();
    let reply = sandbox.exchange(&sandbox.job(json!({}))).await;
    let body = reply.ok();
    assert!(body["access_token"].as_str().unwrap().starts_with("ya29.d."));
    assert_eq!(body["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    let decisions = sandbox.world.decisions.since(0);
    let Decision::Allow(grant) = &decisions[0].decision else { panic!("{decisions:?}") };
    assert!(grant.principal.ends_with("/subject/repo:carnet-sandbox/app:ref:refs/heads/main"));
}

#[tokio::test]
async fn json_and_camel_case_are_taken() {
    let sandbox = Sandbox::new();
    let body = json!({
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": seed::audience(seed::GITHUB),
        "scope": CLOUD_PLATFORM,
        "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
        "subjectToken": sandbox.job(json!({})),
        "subjectTokenType": "urn:ietf:params:oauth:token-type:id_token",
        "options": "%7B%22userProject%22%3A%22p%22%7D",
    });
    let headers = [("content-type", "application/json")];
    sandbox.send("gcp-sts", Method::POST, "/v1/token", &headers, body.to_string()).await.ok();
}

#[tokio::test]
async fn a_workload_of_oci_becomes_a_principal() {
    let sandbox = Sandbox::new();
    let domain = SigningKey::generate(Algorithm::Rs256).unwrap().with_kid("SIGNING_KEY");
    sandbox.publish(seed::ORACLE_ISSUER, &[&domain]);
    let token = sign(
        &domain,
        &json!({
            "iss": seed::ORACLE_ISSUER, "sub": "workload", "aud": [seed::ORACLE_ISSUER, "other"], "iat": NOW, "exp": NOW + 60,
        }),
    );
    let mut fields = Sandbox::exchange_fields(&token);
    fields[1].1 = seed::audience(seed::ORACLE);
    sandbox.exchange_with(&fields).await.ok();
}

#[tokio::test]
async fn rejects_malformed_audience() {
    let sandbox = Sandbox::new();
    let mut fields = Sandbox::exchange_fields(&sandbox.job(json!({})));
    fields[1].1 = format!("https:{}", seed::audience(seed::GITHUB));
    refused(&sandbox.exchange_with(&fields).await, "invalid_request", "Invalid value for \"audience\"");
}

#[tokio::test]
async fn rejects_unknown_provider_pool_and_project() {
    let sandbox = Sandbox::new();
    let audience = seed::audience(seed::GITHUB);
    for wrong in [
        audience.replace("/providers/github", "/providers/other"),
        audience.replace("Pools/github", "Pools/other"),
        audience.replace(seed::PROJECT_NUMBER, seed::PROJECT),
        audience.replace(seed::PROJECT_NUMBER, "1"),
    ] {
        let mut fields = Sandbox::exchange_fields(&sandbox.job(json!({})));
        fields[1].1 = wrong;
        refused(&sandbox.exchange_with(&fields).await, "invalid_target", "The target service indicated");
    }
}

#[tokio::test]
async fn rejects_wrong_audience_claim() {
    let sandbox = Sandbox::new();
    let token = sandbox.job(json!({ "aud": "sts.amazonaws.com" }));
    refused(
        &sandbox.exchange(&token).await,
        "invalid_grant",
        "The audience in ID Token [sts.amazonaws.com] does not match",
    );
}

#[tokio::test]
async fn rejects_wrong_issuer() {
    let sandbox = Sandbox::new();
    let token = sandbox.job(json!({ "iss": format!("{}/", seed::GITHUB_ISSUER) }));
    let text = "The issuer in ID Token https://token.actions.githubusercontent.com/ does not match the expected ones";
    refused(&sandbox.exchange(&token).await, "invalid_grant", text);
}

#[tokio::test]
async fn rejects_when_the_issuer_cannot_be_reached() {
    let sandbox = Sandbox::new();
    sandbox.unpublish();
    let reply = sandbox.exchange(&sandbox.job(json!({}))).await;
    refused(&reply, "invalid_grant", "Error connecting to the given credential's issuer.");
    let decisions = sandbox.world.decisions.since(0);
    let Decision::Refuse(refusal) = &decisions[0].decision else { panic!("{decisions:?}") };
    assert!(refusal.seen.contains("discover the keys"), "the operator sees why: {}", refusal.seen);
}

#[tokio::test]
async fn rejects_expired_and_stale_tokens() {
    let sandbox = Sandbox::new();
    for changes in [json!({ "iat": NOW - 400, "exp": NOW - 100 }), json!({ "iat": NOW - 90_000, "exp": NOW + 100 })] {
        let text = format!("ID Token issued at {} is stale to sign-in.", changes["iat"]);
        refused(&sandbox.exchange(&sandbox.job(changes)).await, "invalid_grant", &text);
    }
}

#[tokio::test]
async fn rejects_what_the_condition_rejects() {
    let sandbox = Sandbox::new();
    let token = sandbox.job(json!({ "repository_owner_id": "66600000" }));
    let text = "The given credential is rejected by the attribute condition.";
    refused(&sandbox.exchange(&token).await, "unauthorized_client", text);
}

#[tokio::test]
async fn rejects_mapped_attribute_of_another_type() {
    let sandbox = Sandbox::new();
    let token = sandbox.job(json!({ "repository": true }));
    let text = "The mapped attribute 'attribute.repository' must be of type STRING.";
    refused(&sandbox.exchange(&token).await, "unauthorized_client", text);
}

#[tokio::test]
async fn rejects_long_subject() {
    let sandbox = Sandbox::new();
    let token = sandbox.job(json!({ "sub": "s".repeat(128) }));
    refused(&sandbox.exchange(&token).await, "invalid_request", "exceeds the 127 bytes limit");
}

#[tokio::test]
async fn rejects_missing_mapped_claim() {
    let sandbox = Sandbox::new();
    let mut claims = json!({
        "iss": seed::GITHUB_ISSUER, "sub": "s", "aud": format!("https:{}", seed::audience(seed::GITHUB)),
        "iat": NOW, "exp": NOW + 60, "repository_owner_id": seed::OWNER_ID,
    });
    let text = "Could not obtain a value for attribute.repository";
    refused(&sandbox.exchange(&sign(&sandbox.github, &claims)).await, "invalid_grant", text);
    claims["repository"] = json!("a/b");
    sandbox.exchange(&sign(&sandbox.github, &claims)).await.ok();
}

#[tokio::test]
async fn rejects_bad_signature_and_unknown_key() {
    let sandbox = Sandbox::new();
    let token = sandbox.job(json!({}));
    let (head, signature) = token.rsplit_once('.').unwrap();
    let other = sandbox.job(json!({ "jti": "other" }));
    let forged = format!("{head}.{}", other.rsplit_once('.').unwrap().1);
    assert_ne!(signature, forged.rsplit_once('.').unwrap().1);
    refused(&sandbox.exchange(&forged).await, "invalid_grant", "signature");
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("stranger");
    let claims: Value = serde_json::from_str(r#"{"iss":"x"}"#).unwrap();
    refused(&sandbox.exchange(&sign(&stranger, &claims)).await, "invalid_grant", "Unable to parse");
}

#[tokio::test]
async fn rejects_requests_that_are_none() {
    let sandbox = Sandbox::new();
    let reply = sandbox.send("gcp-sts", Method::POST, "/v1/token", &[("content-type", "text/plain")], "x").await;
    refused(&reply, "invalid_request", "content type");
    let without: Vec<_> = Sandbox::exchange_fields("x").into_iter().filter(|(name, _)| *name != "scope").collect();
    refused(&sandbox.exchange_with(&without).await, "invalid_request", "scope");
    assert_eq!(sandbox.send("gcp-sts", Method::GET, "/v1/token", &[], "").await.status, 404);
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_for_a_new_one() {
    let mut sandbox = Sandbox::new();
    for _ in 0..3 {
        sandbox.exchange(&sandbox.job(json!({}))).await.ok();
    }
    assert_eq!(sandbox.documents.asked.load(Ordering::Relaxed), 2, "discovery and keys");
    // The issuer rotates. An unknown key is looked for at most once a minute.
    sandbox.github = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("github-2");
    sandbox.publish(seed::GITHUB_ISSUER, &[&sandbox.github]);
    refused(&sandbox.exchange(&sandbox.job(json!({}))).await, "invalid_grant", "signature");
    assert_eq!(sandbox.documents.asked.load(Ordering::Relaxed), 2);
    sandbox.advance(SignedDuration::from_secs(61));
    sandbox.exchange(&sandbox.job(json!({}))).await.ok();
    assert_eq!(sandbox.documents.asked.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn introspection_knows_what_was_issued() {
    let sandbox = Sandbox::new();
    let form = format!("token={}", sandbox.federated().await);
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", "Basic Zzpz")];
    let body = sandbox.send("gcp-sts", Method::POST, "/v1/introspect", &headers, form.clone()).await.ok();
    assert_eq!(body["active"], true);
    assert!(body["username"].as_str().unwrap().starts_with("principal://iam.googleapis.com/"));
    assert_eq!(body["exp"], NOW + 3600);
    let other = sandbox.send("gcp-sts", Method::POST, "/v1/introspect", &headers, "token=x").await.ok();
    assert_eq!(other, json!({ "active": false }));
    let anonymous = sandbox.send("gcp-sts", Method::POST, "/v1/introspect", &headers[..1], form).await;
    assert_eq!(anonymous.status, 401);
}

#[tokio::test]
async fn the_fault_expired_gives_tokens_that_are_over() {
    let sandbox = Sandbox::new();
    sandbox.world.faults.add(Fault::new(FaultKind::Expired).service("gcp-sts").times(1));
    let body = sandbox.exchange(&sandbox.job(json!({}))).await.ok();
    assert_eq!(body["expires_in"], 0);
    let token = body["access_token"].as_str().unwrap();
    let reply = sandbox.api("gcp-storage", "GET", "/storage/v1/b?project=carnet-sandbox", token, Value::Null).await;
    assert_eq!(reply.status, 401);
    assert_eq!(sandbox.exchange(&sandbox.job(json!({}))).await.ok()["expires_in"], 3600);
}

#[tokio::test]
async fn the_fault_skew_makes_fresh_tokens_stale() {
    let sandbox = Sandbox::new();
    let token = sandbox.job(json!({}));
    sandbox.world.faults.add(Fault::new(FaultKind::Skew).service("gcp-sts"));
    refused(&sandbox.exchange(&token).await, "invalid_grant", "stale");
}
