//! The client against the emulator: they share no wire code, so each reads the documents for itself.

#[cfg(test)]
mod aws;
#[cfg(test)]
mod cel;
#[cfg(test)]
mod cloud;
#[cfg(test)]
mod oci;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod release;

use carnet_ci_sandbox::{Flaw, Issuer, MintRequest};
use carnet_core::{ErrorKind, ExchangeConfig as _, Want};
use carnet_vault::{Vault, VaultSecrets, VaultTokenFile, VaultUnwrap};
use carnet_vault_sandbox::seed;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::cloud::{Cloud, refused};

fn section() -> Value {
    json!({ "role": seed::ROLE, "audience": seed::AUDIENCE })
}

fn job() -> MintRequest {
    MintRequest::new(Issuer::Github, seed::AUDIENCE).claim("repository", seed::REPOSITORY)
}

fn secret(path: &str) -> Value {
    json!({ "secrets": [{ "mount": "secret", "path": path, "file": "/run/db.json", "variables": { "DB_PASSWORD": "password" } }] })
}

#[tokio::test]
async fn a_job_reads_its_secret_into_a_file_and_a_variable() {
    let cloud = Cloud::new();
    let token = cloud.exchange::<Vault>(section(), &cloud.subject(&job())).await.unwrap();
    assert_eq!(token.remaining(carnet_core::Clock::now(&*cloud.clock)), Some(SignedDuration::from_hours(1)));
    let done = cloud.deliver::<VaultSecrets>(secret(seed::SECRETS[0]), &token).await.unwrap();
    assert_eq!(done.environment[0].1.expose(), "sandbox");
    let file: Value = serde_json::from_slice(&cloud.files.get("/run/db.json").unwrap()).unwrap();
    assert_eq!(file["username"], seed::SECRETS[0]);
}

#[tokio::test]
async fn rejects_the_neighbours_secret_by_policy() {
    let cloud = Cloud::new();
    let token = cloud.exchange::<Vault>(section(), &cloud.subject(&job())).await.unwrap();
    let error = cloud.deliver::<VaultSecrets>(secret(seed::SECRETS[1]), &token).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("permission")), "{error:?}");
    assert!(cloud.files.get("/run/db.json").is_none(), "nothing is written");
}

#[tokio::test]
async fn a_token_that_is_given_back_reads_no_more() {
    let cloud = Cloud::new();
    let token = cloud.exchange::<Vault>(section(), &cloud.subject(&job())).await.unwrap();
    let mut once = secret(seed::SECRETS[0]);
    once["revoke"] = json!(true);
    cloud.deliver::<VaultSecrets>(once.clone(), &token).await.unwrap();
    let error = cloud.deliver::<VaultSecrets>(once, &token).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("permission")), "{error:?}");
}

#[tokio::test]
async fn a_wrapped_token_comes_out_once_and_only_from_where_it_was_made() {
    let cloud = Cloud::new();
    let mut wrapped = section();
    wrapped["wrap_ttl"] = json!("5m");
    let outer = cloud.exchange::<Vault>(wrapped, &cloud.subject(&job())).await.unwrap();
    let unwrap = |path: &str| json!({ "creation_path": path });
    let error = cloud.exchange::<VaultUnwrap>(unwrap("auth/other/login"), &outer).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("wrapping")));
    let token = cloud.exchange::<VaultUnwrap>(unwrap("auth/jwt/login"), &outer).await.unwrap();
    cloud.deliver::<VaultSecrets>(secret(seed::SECRETS[0]), &token).await.unwrap();
    let error = cloud.exchange::<VaultUnwrap>(unwrap("auth/jwt/login"), &outer).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("wrapping")), "{error:?}");
}

#[tokio::test]
async fn a_token_is_renewed_and_not_made_anew() {
    let cloud = Cloud::new();
    let mut kept = section();
    kept["renew"] = json!(true);
    let exchange = serde_json::from_value::<Vault>(kept).unwrap().build().unwrap();
    let subject = cloud.subject(&job());
    let first = exchange.exchange(cloud.context(), &subject, &Want::default()).await.unwrap();
    cloud.clock.advance(SignedDuration::from_mins(40));
    let second = exchange.exchange(cloud.context(), &subject, &Want::default()).await.unwrap();
    assert_eq!(first.facts["accessor"], second.facts["accessor"]);
    assert!(second.expires_at > first.expires_at);
}

#[tokio::test]
async fn the_token_file_is_what_the_server_gave() {
    let cloud = Cloud::new();
    let token = cloud.exchange::<Vault>(section(), &cloud.subject(&job())).await.unwrap();
    cloud.deliver::<VaultTokenFile>(json!({ "path": "/run/token" }), &token).await.unwrap();
    assert!(cloud.files.get("/run/token").unwrap().starts_with(b"hvs."));
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
        (job().claim("sub", Value::Null), ErrorKind::Refused, "user-claim"),
    ] {
        let error = refused(&request, section()).await;
        assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)), "{request:?}: {error:?}");
    }
}

#[tokio::test]
async fn rejects_role_that_is_not_there() {
    let error = refused(&job(), json!({ "role": "gone" })).await;
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("role")), "{error:?}");
}
