//! The client against the emulator: they share no wire code, so each reads the documents for itself.

#[cfg(test)]
mod cloud;

use carnet_ci_sandbox::{Flaw, Issuer, MintRequest};
use carnet_core::{ErrorKind, ExchangeConfig as _, Want};
use carnet_infisical::{Infisical, InfisicalSecrets};
use carnet_infisical_sandbox::seed;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::cloud::{Cloud, by, password, refused, secrets};

fn job() -> MintRequest {
    MintRequest::new(Issuer::Github, seed::AUDIENCE).claim("repository", seed::REPOSITORY)
}

#[tokio::test]
async fn a_job_reads_a_folder_with_imports_and_references_into_a_file_and_variables() {
    let cloud = Cloud::new();
    let token = cloud.login(by("oidc"), &cloud.job(&job())).await.unwrap();
    assert_eq!(token.remaining(carnet_core::Clock::now(&*cloud.clock)), Some(SignedDuration::from_hours(1)));
    let section = secrets(json!({ "file": "/run/all.json" }));
    let done = cloud.deliver::<InfisicalSecrets>(section, &token).await.unwrap();
    let names: Vec<_> = done.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["DB_HOST", "DB_PASSWORD", "DB_URL"]);
    let file: Value = serde_json::from_slice(&cloud.files.get("/run/all.json").unwrap()).unwrap();
    assert_eq!(file["DB_URL"], "postgres://app:sandbox@db.carnet-sandbox.example/app");
    assert_eq!(file["DB_PASSWORD"], "sandbox", "the folder's own goes before the import");
}

#[tokio::test]
async fn an_oci_user_logs_in_with_a_signed_request_and_reads_a_secret() {
    let cloud = Cloud::new();
    let token = cloud.login(by("oci"), &cloud.oci_key()).await.unwrap();
    assert_eq!(password(&cloud, &token).await, "sandbox");
}

#[tokio::test]
async fn an_aws_principal_logs_in_with_a_signed_request_and_reads_a_secret() {
    let cloud = Cloud::new();
    let mut section = by("aws");
    section["region"] = json!("eu-central-1");
    let token = cloud.login(section, &Cloud::aws_keys()).await.unwrap();
    assert_eq!(password(&cloud, &token).await, "sandbox");
}

#[tokio::test]
async fn a_pod_logs_in_with_the_token_of_its_service_account_and_another_does_not() {
    let cloud = Cloud::new();
    let token = cloud.login(by("kubernetes"), &cloud.pod("admin-0", Some(seed::AUDIENCE))).await.unwrap();
    assert_eq!(password(&cloud, &token).await, "sandbox");
    for (pod, audience, kind, clause) in [
        ("viewer-0", Some(seed::AUDIENCE), ErrorKind::Policy, "name"),
        ("admin-0", Some("other"), ErrorKind::Refused, "audience"),
        ("admin-0", None, ErrorKind::Refused, "audience"),
    ] {
        let error = cloud.login(by("kubernetes"), &cloud.pod(pod, audience)).await.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)), "{pod}, {audience:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_client_secret_logs_in_and_its_identity_is_no_member_of_the_project() {
    let cloud = Cloud::new();
    let section = json!({ "method": "universal", "client_id": seed::WORKER_CLIENT_ID });
    let token = cloud.login(section, &Cloud::client_secret()).await.unwrap();
    let denied = cloud.deliver::<InfisicalSecrets>(secrets(json!({})), &token).await.unwrap_err();
    assert_eq!((denied.kind(), denied.failed_clause()), (ErrorKind::Policy, Some("permission")), "{denied:?}");
}

#[tokio::test]
async fn a_signed_request_that_is_old_is_told_from_an_outage() {
    let cloud = Cloud::new();
    let exchange = serde_json::from_value::<Infisical>(by("oci")).unwrap().build().unwrap();
    let key = cloud.oci_key();
    // The signer's clock stands six minutes behind Oracle's.
    let context = carnet_core::Context {
        clock: std::sync::Arc::new(carnet_core::FixedClock::at(carnet_core::Clock::now(&*cloud.clock))),
        ..cloud.context().clone()
    };
    cloud.clock.advance(SignedDuration::from_mins(4));
    exchange.exchange(&context, &key, &Want::default()).await.unwrap();
    cloud.clock.advance(SignedDuration::from_mins(2));
    let error = exchange.exchange(&context, &key, &Want::default()).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Unreachable, Some("upstream")), "{error:?}");
    assert!(error.hints()[0].contains("clock"), "{:?}", error.hints());
}

#[tokio::test]
async fn a_token_is_renewed_and_not_made_anew() {
    let cloud = Cloud::new();
    let mut kept = by("oidc");
    kept["renew"] = json!(true);
    let exchange = serde_json::from_value::<Infisical>(kept).unwrap().build().unwrap();
    let (good, bad) = (cloud.job(&job()), cloud.job(&job().flaw(Flaw::WrongKey)));
    let first = exchange.exchange(cloud.context(), &good, &Want::default()).await.unwrap();
    cloud.clock.advance(SignedDuration::from_mins(40));
    // A login would be refused, so this is a renewal.
    let second = exchange.exchange(cloud.context(), &bad, &Want::default()).await.unwrap();
    assert!(second.expires_at > first.expires_at);
    assert_eq!(password(&cloud, &second).await, "sandbox");
}

#[tokio::test]
async fn a_token_that_is_given_back_reads_no_more() {
    let cloud = Cloud::new();
    let token = cloud.login(by("oidc"), &cloud.job(&job())).await.unwrap();
    let mut once = secrets(json!({}));
    once["revoke"] = json!(true);
    cloud.deliver::<InfisicalSecrets>(once.clone(), &token).await.unwrap();
    let error = cloud.deliver::<InfisicalSecrets>(once, &token).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("revoked")), "{error:?}");
}

#[tokio::test]
async fn a_token_that_has_ended_is_told_as_one() {
    let cloud = Cloud::new();
    let token = cloud.login(by("oidc"), &cloud.job(&job())).await.unwrap();
    cloud.clock.advance(SignedDuration::from_hours(1));
    let error = cloud.deliver::<InfisicalSecrets>(secrets(json!({})), &token).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("expired")), "{error:?}");
}

#[tokio::test]
async fn rejects_each_token_that_is_bent_in_one_place() {
    for (request, kind, clause) in [
        (MintRequest::new(Issuer::Github, "other"), ErrorKind::Refused, "audience"),
        (job().claim("iss", "https://other.example"), ErrorKind::Refused, "issuer"),
        (job().flaw(Flaw::Expired), ErrorKind::Expired, "expired"),
        (job().flaw(Flaw::NotYet), ErrorKind::Expired, "not-yet"),
        (job().flaw(Flaw::WrongKey), ErrorKind::Refused, "signature"),
        (job().flaw(Flaw::Tampered), ErrorKind::Refused, "signature"),
        (job().claim("repository", "attacker/app"), ErrorKind::Policy, "bound-claims"),
        (job().claim("repository", Value::Null), ErrorKind::Policy, "claim-missing"),
    ] {
        let error = refused(&request, by("oidc")).await;
        assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)), "{request:?}: {error:?}");
    }
}

#[tokio::test]
async fn rejects_identities_methods_and_organisations_that_are_not_there() {
    for (change, clause) in [
        (json!({ "identity_id": "nobody" }), "method"),
        (json!({ "method": "spiffe" }), "method"),
        (json!({ "organization_slug": "other" }), "organization"),
    ] {
        let mut bent = by("oidc");
        bent.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = refused(&job(), bent).await;
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some(clause)), "{change}: {error:?}");
    }
}

#[tokio::test]
async fn rejects_other_user_and_other_account() {
    let cloud = Cloud::new();
    let mut key = cloud.oci_key();
    let carnet_core::Material::OciApiKey(inside) = &mut key.material else { panic!("no key") };
    inside.user = "ocid1.user.oc1..aaaaother".to_owned();
    let error = cloud.login(by("oci"), &key).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("upstream"), "Oracle does not know the key: {error:?}");
    let mut keys = Cloud::aws_keys();
    let carnet_core::Material::AwsKeys(inside) = &mut keys.material else { panic!("no keys") };
    inside.secret_access_key = carnet_core::Secret::new("another");
    let error = cloud.login(by("aws"), &keys).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("upstream"), "AWS does not know the signature: {error:?}");
}
