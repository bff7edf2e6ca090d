//! Each refusal of a login, from the server's text to the client's clause, exit code and fix.

use carnet_ci_sandbox::MintRequest;
use carnet_core::{Credential, Error, ErrorKind, Material, Secret};
use carnet_jose::{Algorithm, SigningKey, encode_jwt};
use carnet_vault::{Vault, VaultSecrets};
use carnet_vault_sandbox::seed;
use serde_json::{Map, Value, json};

use crate::{cloud::Cloud, job, secret};

const NOW: i64 = 1_795_262_400;

/// A role that takes [`job`], but for these fields.
async fn with_role(change: Value) -> Cloud {
    let cloud = Cloud::new();
    let mut role = json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": seed::AUDIENCE,
        "bound_claims": { "repository": seed::REPOSITORY }, "token_policies": "app" });
    role.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    cloud.root("POST", "auth/jwt/role/bent", role).await;
    cloud
}

async fn by_role(change: Value, request: MintRequest) -> Error {
    let cloud = with_role(change).await;
    cloud.refused(&cloud.subject(&request), json!({ "role": "bent" })).await
}

/// A configuration of the mount with this source of keys.
async fn by_config(config: Value, subject: &Credential) -> Error {
    let cloud = with_role(json!({})).await;
    cloud.root("POST", "auth/jwt/config", config).await;
    cloud.refused(subject, json!({ "role": "bent" })).await
}

#[track_caller]
fn told(error: &Error, kind: ErrorKind, clause: &str) {
    assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)), "{error:?}");
}

#[track_caller]
fn said(error: &Error, text: &str) {
    assert!(format!("{error:?}").contains(text), "{error:?}");
}

/// A job's token that an issuer of our own has signed, with this key id.
fn signed(kid: Option<&str>) -> Credential {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let key = match kid {
        Some(kid) => key.with_kid(kid),
        None => key,
    };
    let claims = json!({ "iss": seed::GITHUB_ISSUER, "sub": "s", "aud": seed::AUDIENCE, "repository": seed::REPOSITORY,
        "iat": NOW, "exp": NOW + 300 });
    Credential::new(Material::Jwt(encode_jwt(&key, &Map::new(), claims.as_object().unwrap()).unwrap()))
}

#[tokio::test]
async fn accepts_what_the_others_bend() {
    let cloud = with_role(json!({})).await;
    cloud.exchange::<Vault>(json!({ "role": "bent" }), &cloud.subject(&job())).await.unwrap();
}

#[tokio::test]
async fn rejects_mount_without_configuration() {
    let cloud = Cloud::new();
    cloud.root("POST", "sys/auth/bare", json!({ "type": "jwt" })).await;
    let error = cloud.refused(&cloud.subject(&job()), json!({ "mount": "bare", "role": "app" })).await;
    told(&error, ErrorKind::Refused, "method");
}

#[tokio::test]
async fn rejects_login_that_names_no_role() {
    let cloud = Cloud::new();
    told(&cloud.refused(&cloud.subject(&job()), json!({})).await, ErrorKind::Refused, "role");
}

#[tokio::test]
async fn rejects_role_for_browsers() {
    let change = json!({ "role_type": "oidc", "allowed_redirect_uris": "http://localhost" });
    told(&by_role(change, job()).await, ErrorKind::Refused, "role-type");
}

#[tokio::test]
async fn rejects_empty_and_malformed_tokens() {
    for token in ["", "a.b", "not a token"] {
        let cloud = Cloud::new();
        let subject = Credential::new(Material::Jwt(Secret::new(token)));
        told(&cloud.refused(&subject, json!({ "role": seed::ROLE })).await, ErrorKind::Refused, "form");
    }
}

#[tokio::test]
async fn rejects_address_that_the_role_does_not_know() {
    let error = by_role(json!({ "token_bound_cidrs": "10.0.0.0/8" }), job()).await;
    told(&error, ErrorKind::Policy, "permission");
    assert!(error.hints()[0].contains("token_bound_cidrs"), "{:?}", error.hints());
}

#[tokio::test]
async fn rejects_tokens_while_the_keys_cannot_be_read() {
    let config = json!({ "jwks_url": "https://nobody.example/keys", "skip_jwks_validation": true });
    let error = by_config(config, &signed(Some("k1"))).await;
    told(&error, ErrorKind::Refused, "signature");
}

#[tokio::test]
async fn rejects_signature_that_no_pinned_key_verifies() {
    let pem = SigningKey::generate(Algorithm::Es256).unwrap().public_pem().unwrap();
    let error = by_config(json!({ "jwt_validation_pubkeys": [pem] }), &signed(None)).await;
    told(&error, ErrorKind::Refused, "signature");
    said(&error, "no known key successfully validated");
}

#[tokio::test]
async fn rejects_key_id_that_is_absent_or_in_no_set() {
    let keys = |issuer: &str, path: &str| json!({ "jwks_url": format!("https://{issuer}/{path}") });
    let pairs = json!([
        keys("token.actions.githubusercontent.com", ".well-known/jwks"),
        keys("gitlab.com", "oauth/discovery/keys")
    ]);
    let one = json!([keys("token.actions.githubusercontent.com", ".well-known/jwks")]);
    for pairs in [pairs, one] {
        for (kid, text) in [(None, "missing kid header"), (Some("k9"), "no key found with kid")] {
            let error = by_config(json!({ "jwks_pairs": pairs.clone() }), &signed(kid)).await;
            told(&error, ErrorKind::Refused, "key");
            said(&error, text);
        }
    }
}

#[tokio::test]
async fn rejects_registered_claim_in_another_spelling() {
    told(&by_role(json!({}), job().claim("SUB", "x")).await, ErrorKind::Refused, "claim-name");
}

#[tokio::test]
async fn rejects_algorithm_that_the_mount_does_not_take() {
    let cloud = with_role(json!({})).await;
    let config = json!({ "oidc_discovery_url": seed::GITHUB_ISSUER, "jwt_supported_algs": "ES512" });
    cloud.root("POST", "auth/jwt/config", config).await;
    let error = cloud.refused(&cloud.subject(&job()), json!({ "role": "bent" })).await;
    told(&error, ErrorKind::Refused, "algorithm");
}

#[tokio::test]
async fn rejects_other_subject() {
    told(&by_role(json!({ "bound_subject": "x" }), job()).await, ErrorKind::Refused, "subject");
}

#[tokio::test]
async fn rejects_token_of_the_future() {
    told(&by_role(json!({}), job().claim("iat", NOW + 3600).claim("nbf", NOW)).await, ErrorKind::Expired, "not-yet");
}

#[tokio::test]
async fn rejects_token_without_any_time() {
    let timeless = ["iat", "nbf", "exp"].into_iter().fold(job(), |job, name| job.claim(name, Value::Null));
    told(&by_role(json!({}), timeless).await, ErrorKind::Refused, "times");
}

#[tokio::test]
async fn rejects_audience_that_nobody_bound() {
    let error = by_role(json!({ "bound_audiences": [] }), job()).await;
    told(&error, ErrorKind::Refused, "audience");
    said(&error, "no audiences bound to the role");
}

#[tokio::test]
async fn rejects_user_claim_that_is_no_text() {
    told(&by_role(json!({ "user_claim": "x" }), job().claim("x", 1)).await, ErrorKind::Refused, "user-claim");
}

#[tokio::test]
async fn rejects_metadata_that_is_no_text() {
    let error = by_role(json!({ "claim_mappings": { "x": "x" } }), job().claim("x", 1)).await;
    told(&error, ErrorKind::Refused, "claim-mapping");
}

#[tokio::test]
async fn rejects_groups_that_are_absent_or_no_texts() {
    for groups in [Value::Null, json!({}), json!([1])] {
        let error = by_role(json!({ "groups_claim": "groups" }), job().claim("groups", groups.clone())).await;
        told(&error, ErrorKind::Refused, "groups");
    }
}

#[tokio::test]
async fn rejects_bound_claim_that_is_absent() {
    told(&by_role(json!({ "bound_claims": { "none": "x" } }), job()).await, ErrorKind::Policy, "claim-missing");
}

#[tokio::test]
async fn rejects_bound_claim_that_is_an_object() {
    let error = by_role(json!({ "bound_claims": { "x": "y" } }), job().claim("x", json!({ "y": 1 }))).await;
    told(&error, ErrorKind::Policy, "bound-claims");
    said(&error, "received claim is not a string, bool, int or list: map[y:1]");
}

#[tokio::test]
async fn rejects_policy_whose_template_names_an_absent_claim() {
    let change = json!({ "token_policies_template_claims": true, "token_policies": ["{{ .none }}"] });
    let error = by_role(change, job()).await;
    told(&error, ErrorKind::Refused, "policy-template");
    assert_eq!(error.provider_code(), Some("500"));
}

#[tokio::test]
async fn rejects_policy_whose_template_makes_root() {
    let change = json!({ "token_policies_template_claims": true, "token_policies": ["{{ .x }}"] });
    told(&by_role(change, job().claim("x", "root")).await, ErrorKind::Policy, "policy");
}

#[tokio::test]
async fn rejects_entity_that_is_disabled() {
    let cloud = with_role(json!({})).await;
    let token = cloud.exchange::<Vault>(json!({ "role": "bent" }), &cloud.subject(&job())).await.unwrap();
    let path = format!("identity/entity/id/{}", token.facts["principal"]);
    cloud.root("POST", &path, json!({ "disabled": true })).await;
    let error = cloud.refused(&cloud.subject(&job()), json!({ "role": "bent" })).await;
    told(&error, ErrorKind::Policy, "permission");
}

#[tokio::test]
async fn rejects_mount_that_is_not_there() {
    let cloud = Cloud::new();
    let error = cloud.refused(&cloud.subject(&job()), json!({ "mount": "other", "role": "app" })).await;
    told(&error, ErrorKind::Policy, "permission");
    assert!(error.hints()[0].contains("nothing is mounted at auth/other"), "{:?}", error.hints());
}

#[tokio::test]
async fn rejects_namespace_that_is_not_there() {
    let cloud = Cloud::new();
    let error = cloud.refused(&cloud.subject(&job()), json!({ "namespace": "other", "role": "app" })).await;
    told(&error, ErrorKind::Refused, "namespace");
}

#[tokio::test]
async fn a_sealed_server_is_out_of_reach() {
    let cloud = Cloud::new();
    cloud.root("PUT", "sys/seal", Value::Null).await;
    let error = cloud.refused(&cloud.subject(&job()), json!({ "role": seed::ROLE })).await;
    told(&error, ErrorKind::Unreachable, "sealed");
    assert_eq!(error.kind().exit_code(), 5);
}

#[tokio::test]
async fn a_standby_is_no_server_to_log_in_at_and_gets_the_token_only_once() {
    let cloud = Cloud::new();
    cloud.behave(json!({ "node": "standby", "active_address": "https://active.example:8200" })).await;
    let error = cloud.refused(&cloud.subject(&job()), json!({ "role": seed::ROLE })).await;
    told(&error, ErrorKind::Unreachable, "standby");
    assert!(
        error.hints()[0].contains("points to https://active.example:8200/v1/auth/jwt/login"),
        "{:?}",
        error.hints()
    );
    cloud.behave(json!({ "node": "standby" })).await;
    let error = cloud.refused(&cloud.subject(&job()), json!({ "role": seed::ROLE })).await;
    told(&error, ErrorKind::Unreachable, "sealed");
    said(&error, "no active Vault instance found");
}

#[tokio::test]
async fn rejects_login_at_a_server_that_stands_by_for_a_disaster() {
    let cloud = Cloud::new();
    cloud.behave(json!({ "node": "dr-secondary" })).await;
    let error = cloud.refused(&cloud.subject(&job()), json!({ "role": seed::ROLE })).await;
    told(&error, ErrorKind::Unreachable, "standby");
    said(&error, "path disabled in replication DR secondary mode");
    assert_eq!(error.kind().exit_code(), 5);
}

#[tokio::test]
async fn a_secret_that_a_server_does_not_know_yet_can_be_asked_for_again() {
    let cloud = Cloud::new();
    cloud.behave(json!({ "node": "performance-standby", "behind": true })).await;
    let token = cloud.exchange::<Vault>(json!({ "role": seed::ROLE }), &cloud.subject(&job())).await.unwrap();
    let error = cloud.deliver::<VaultSecrets>(secret(seed::SECRETS[0]), &token).await.unwrap_err();
    told(&error, ErrorKind::Unreachable, "consistency");
    assert!(error.is_retryable(), "{error:?}");
    cloud.behave(json!({ "node": "performance-standby" })).await;
    cloud.deliver::<VaultSecrets>(secret(seed::SECRETS[0]), &token).await.unwrap();
}
