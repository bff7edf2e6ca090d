//! The client against the emulator: they share no wire code, so each reads the documents for itself.

#[cfg(test)]
mod cloud;
#[cfg(test)]
mod subject;

use carnet_ci_sandbox::{Flaw, Issuer, MintRequest};
use carnet_core::{Credential, Error, ErrorKind, Found, Kind};
use carnet_gcp::{Gcp, GcpCredentialFile, GcpMetadata, parse_external_account};
use carnet_gcp_sandbox::seed::{self, GITHUB, READER};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::cloud::{Cloud, refused};

fn direct() -> Value {
    json!({ "audience": seed::audience(GITHUB) })
}

fn impersonate() -> Value {
    json!({ "audience": seed::audience(GITHUB), "service_account": READER })
}

/// A job's token for the provider's default audience.
fn job() -> MintRequest {
    MintRequest::new(Issuer::Github, format!("https:{}", seed::audience(GITHUB)))
}

#[track_caller]
fn assert_refusal(error: &Error, kind: ErrorKind, code: &str, clause: &str) {
    assert_eq!(
        (error.kind(), error.provider_code(), error.failed_clause()),
        (kind, Some(code), Some(clause)),
        "{error:?}"
    );
    assert!(!error.hints().is_empty(), "{error:?}");
}

#[tokio::test]
async fn a_job_lists_buckets_without_service_account() {
    let cloud = Cloud::new();
    let token = cloud.exchange::<Gcp>(direct(), &cloud.subject(&job())).await.unwrap();
    assert_eq!(cloud.buckets(&token).await.unwrap(), seed::BUCKETS);
    assert!(token.facts["assumed_principal"].ends_with("/subject/repo:carnet-sandbox/app:ref:refs/heads/main"));
    assert!(!token.facts.contains_key("principal"), "nobody has told it");
}

#[tokio::test]
async fn a_job_lists_buckets_as_a_service_account() {
    let cloud = Cloud::new();
    let mut section = impersonate();
    section["lifetime"] = json!("15m");
    let token = cloud.exchange::<Gcp>(section, &cloud.subject(&job())).await.unwrap();
    assert_eq!(cloud.buckets(&token).await.unwrap(), seed::BUCKETS);
    assert_eq!(token.facts["principal"], READER);
    let now = carnet_core::Clock::now(&*cloud.clock);
    assert_eq!(token.remaining(now), Some(SignedDuration::from_mins(15)));
}

#[tokio::test]
async fn the_default_audience_may_be_written_without_scheme() {
    let cloud = Cloud::new();
    let subject = cloud.subject(&MintRequest::new(Issuer::Github, seed::audience(GITHUB)));
    cloud.exchange::<Gcp>(direct(), &subject).await.unwrap();
}

#[tokio::test]
async fn a_job_gets_an_id_token_of_a_service_account() {
    let cloud = Cloud::new();
    let mut section = impersonate();
    section["id_token_audience"] = json!("https://run.example");
    let token = cloud.exchange::<Gcp>(section, &cloud.subject(&job())).await.unwrap();
    assert_eq!((token.kind(), token.facts["issuer"].as_str()), (Kind::Jwt, "https://accounts.google.com"));
    assert_eq!(token.facts["principal"], READER);
}

#[tokio::test]
async fn rejects_wrong_audience() {
    let request = MintRequest::new(Issuer::Github, "https://github.com/carnet-sandbox");
    assert_refusal(&refused(&request, direct()).await, ErrorKind::Refused, "invalid_grant", "audience");
}

#[tokio::test]
async fn rejects_wrong_issuer() {
    let request = job().claim("iss", "https://token.actions.githubusercontent.com/");
    assert_refusal(&refused(&request, direct()).await, ErrorKind::Refused, "invalid_grant", "issuer");
}

#[tokio::test]
async fn rejects_expired_token() {
    let error = refused(&job().flaw(Flaw::Expired), direct()).await;
    assert_refusal(&error, ErrorKind::Expired, "invalid_grant", "expired");
}

#[tokio::test]
async fn rejects_token_of_the_future() {
    let error = refused(&job().flaw(Flaw::NotYet), direct()).await;
    assert_refusal(&error, ErrorKind::Expired, "invalid_grant", "not-yet");
}

#[tokio::test]
async fn rejects_signature_of_another_key() {
    for flaw in [Flaw::WrongKey, Flaw::UnknownKid, Flaw::Tampered] {
        let error = refused(&job().flaw(flaw), direct()).await;
        assert_refusal(&error, ErrorKind::Refused, "invalid_grant", "signature");
    }
}

#[tokio::test]
async fn rejects_stranger_on_the_shared_issuer() {
    let error = refused(&job().claim("repository_owner_id", "66600000"), direct()).await;
    assert_refusal(&error, ErrorKind::Policy, "unauthorized_client", "condition");
}

#[tokio::test]
async fn rejects_subject_that_is_too_long() {
    let error = refused(&job().claim("sub", "s".repeat(128)), direct()).await;
    assert_eq!(error.failed_clause(), Some("mapping-size"), "{error:?}");
}

#[tokio::test]
async fn rejects_token_without_mapped_claim() {
    let error = refused(&job().claim("repository", Value::Null), direct()).await;
    assert_eq!(error.failed_clause(), Some("mapping"), "{error:?}");
}

#[tokio::test]
async fn rejects_unknown_provider() {
    let section = json!({ "audience": seed::audience(GITHUB).replace("/providers/github", "/providers/gone") });
    assert_refusal(&refused(&job(), section).await, ErrorKind::Refused, "invalid_target", "target");
}

#[tokio::test]
async fn rejects_service_account_that_grants_nothing() {
    for account in [seed::BUILDER, "nobody@carnet-sandbox.iam.gserviceaccount.com"] {
        let section = json!({ "audience": seed::audience(GITHUB), "service_account": account });
        assert_refusal(&refused(&job(), section).await, ErrorKind::Refused, "PERMISSION_DENIED", "permission");
    }
}

#[tokio::test]
async fn rejects_lifetime_that_the_organisation_does_not_allow() {
    let mut section = impersonate();
    section["lifetime"] = json!("2h");
    assert_refusal(&refused(&job(), section).await, ErrorKind::Configuration, "INVALID_ARGUMENT", "lifetime");
}

#[tokio::test]
async fn rejects_federated_token_after_its_end() {
    let cloud = Cloud::new();
    let token = cloud.exchange::<Gcp>(direct(), &cloud.subject(&job())).await.unwrap();
    cloud.clock.advance(SignedDuration::from_hours(2));
    assert_eq!(cloud.buckets(&token).await, Err(401));
}

#[tokio::test]
async fn an_orderly_rotation_at_the_issuer_is_not_noticed() {
    let cloud = Cloud::new();
    let old = cloud.subject(&job());
    cloud.ci.roll_keys(Issuer::Github).unwrap();
    cloud.exchange::<Gcp>(direct(), &old).await.unwrap();
    cloud.exchange::<Gcp>(direct(), &cloud.subject(&job())).await.unwrap();
}

#[tokio::test]
async fn the_metadata_server_gives_both_tokens() {
    let cloud = Cloud::new();
    let found = |found: Result<Found, Error>| -> Credential {
        match found.unwrap() {
            Found::Credential(credential) => *credential,
            Found::NotHere(reason) => panic!("{reason}"),
        }
    };
    let identity = found(cloud.find::<GcpMetadata>(json!({}), Some("https://a")).await);
    assert_eq!((identity.kind(), identity.facts["audience"].as_str()), (Kind::Jwt, "https://a"));
    assert_eq!(identity.facts["principal"], seed::BUILDER);
    assert_eq!(identity.facts["project"], seed::PROJECT);
    let access = found(cloud.find::<GcpMetadata>(json!({ "token": "access" }), None).await);
    assert_eq!(cloud.buckets(&access).await.unwrap(), seed::BUCKETS);
}

#[tokio::test]
async fn the_credential_file_names_the_same_exchange() {
    let cloud = Cloud::new();
    let section = json!({ "path": "/run/gcp.json", "audience": seed::audience(GITHUB), "service_account": READER });
    cloud.deliver::<GcpCredentialFile>(section, &cloud.subject(&job())).await;
    let account = parse_external_account(&cloud.files.get("/run/gcp.json").unwrap()).unwrap();
    let section = json!({ "audience": account.audience.to_string(), "service_account": account.service_account,
        "token_url": account.token_url.as_str() });
    let token = cloud.files.get("/run/gcp.json.token").unwrap();
    let subject = carnet_jose::SubjectToken::parse(String::from_utf8(token).unwrap().into()).unwrap().into_credential();
    let token = cloud.exchange::<Gcp>(section, &subject).await.unwrap();
    assert_eq!(cloud.buckets(&token).await.unwrap(), seed::BUCKETS);
}
