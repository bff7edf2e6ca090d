//! Tokens that are given back.

use std::sync::Arc;

use carnet_core::{Credential, ErrorKind, Exchange, ExchangeConfig as _, Material, Release, Want};
use carnet_vault::{Vault, VaultSecrets, VaultUnwrap};
use carnet_vault_sandbox::seed;
use serde_json::{Value, json};

use crate::{cloud::Cloud, job, secret, section};

fn exchange(revoke: &str) -> Arc<dyn Exchange> {
    let mut section = section();
    section["revoke"] = json!(revoke);
    serde_json::from_value::<Vault>(section).unwrap().build().unwrap()
}

async fn obtain(exchange: &dyn Exchange, cloud: &Cloud) -> Credential {
    exchange.exchange(cloud.context(), &cloud.subject(&job()), &Want::default()).await.unwrap()
}

/// Whether the server still takes it.
async fn counts(token: &Credential, cloud: &Cloud) -> bool {
    match cloud.deliver::<VaultSecrets>(secret(seed::SECRETS[0]), token).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("permission")), "{error:?}");
            false
        }
    }
}

#[tokio::test]
async fn what_was_replaced_is_given_back_and_then_the_rest() {
    let cloud = Cloud::new();
    let exchange = exchange("replaced");
    let (old, new) = (obtain(&*exchange, &cloud).await, obtain(&*exchange, &cloud).await);
    exchange.release(cloud.context(), Release::Before(&new)).await.unwrap();
    assert_eq!((counts(&old, &cloud).await, counts(&new, &cloud).await), (false, true));
    exchange.release(cloud.context(), Release::All).await.unwrap();
    assert!(!counts(&new, &cloud).await);
}

#[tokio::test]
async fn a_token_that_shall_live_lives_on() {
    let cloud = Cloud::new();
    let exchange = exchange("never");
    let token = obtain(&*exchange, &cloud).await;
    exchange.release(cloud.context(), Release::All).await.unwrap();
    assert!(counts(&token, &cloud).await);
}

#[tokio::test]
async fn a_token_that_was_unwrapped_is_given_back() {
    let cloud = Cloud::new();
    let mut wrapped = section();
    wrapped["wrap_ttl"] = json!("5m");
    let outer = cloud.exchange::<Vault>(wrapped, &cloud.subject(&job())).await.unwrap();
    let unwrap = json!({ "creation_path": "auth/jwt/login", "revoke": "end" });
    let unwrap = serde_json::from_value::<VaultUnwrap>(unwrap).unwrap().build().unwrap();
    let token = unwrap.exchange(cloud.context(), &outer, &Want::default()).await.unwrap();
    assert!(counts(&token, &cloud).await);
    unwrap.release(cloud.context(), Release::All).await.unwrap();
    assert!(!counts(&token, &cloud).await);
}

#[tokio::test]
async fn a_batch_token_lives_until_its_end() {
    let cloud = Cloud::new();
    let path = format!("auth/jwt/role/{}", seed::ROLE);
    let mut role = cloud.root("GET", &path, Value::Null).await["data"].take();
    role["token_type"] = json!("batch");
    cloud.root("POST", &path, role).await;
    let exchange = exchange("end");
    let token = obtain(&*exchange, &cloud).await;
    assert!(token.facts["warning"].contains("batch token"), "{:?}", token.facts);
    exchange.release(cloud.context(), Release::All).await.unwrap();
    assert!(counts(&token, &cloud).await);
}

#[tokio::test]
async fn a_token_that_somebody_else_gave_back_is_told_of_without_it() {
    let cloud = Cloud::new();
    let exchange = exchange("end");
    let token = obtain(&*exchange, &cloud).await;
    let accessor = json!({ "accessor": token.facts["accessor"] });
    cloud.root("POST", "auth/token/revoke-accessor", accessor).await;
    let error = exchange.release(cloud.context(), Release::All).await.unwrap_err();
    let told = format!("{error:?} {}", error.hints().join(" "));
    assert!(told.contains("given back before or has ended"), "{told}");
    let Material::AccessToken(access) = &token.material else { panic!("another kind") };
    assert!(!told.contains(access.token.expose()), "{told}");
}
