use carnet_core::{Credential, Error, ErrorKind, Material, Secret};
use carnet_oci::{
    exchange::{domain::DomainConfig, rpst::RpstConfig, upst::UpstConfig},
    source::{instance::InstanceConfig, profile::ProfileConfig},
};
use carnet_sandbox::{Flaw, MintRequest};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{World, buckets, client, exchange, find, get, github, gitlab, seed};

async fn upst(world: &World, token: &MintRequest) -> Error {
    let jwt = world.jwt(token);
    let error = exchange::<UpstConfig>(client(&json!({})), &world.elsewhere(), &jwt).await.unwrap_err();
    let Material::Jwt(token) = jwt.material else { panic!("another kind") };
    let shown = format!("{error:?} {:?}", error.hints());
    assert!(!shown.contains(&token.expose()[..30]) && !shown.contains(seed::domain::EXCHANGE_CLIENT_SECRET), "{shown}");
    error
}

#[tokio::test]
async fn a_token_that_does_not_verify_is_no_grant() {
    let world = World::shared().await;
    for flaw in [Flaw::Tampered, Flaw::WrongKey, Flaw::AlgNone, Flaw::NotYet] {
        let error = upst(&world, &github().flaw(flaw)).await;
        assert!(matches!(error.kind(), ErrorKind::Refused | ErrorKind::Configuration), "{flaw:?}: {error:?}");
    }
}

#[tokio::test]
async fn an_expired_token_is_not_even_sent() {
    let world = World::start().await;
    let before = world.sandbox.world().decisions.count();
    let error = upst(&world, &github().flaw(Flaw::Expired)).await;
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("expired")));
    assert_eq!(world.sandbox.world().decisions.count(), before);
}

#[tokio::test]
async fn a_foreign_repository_is_no_grant() {
    let world = World::shared().await;
    let token = github().claim("sub", "repo:stranger/app:ref:refs/heads/main").claim("repository", "stranger/app");
    let error = upst(&world, &token).await;
    assert_eq!(error.provider_code(), Some("invalid_grant"));
    assert!(error.hints().iter().any(|hint| hint.contains("repo:stranger/app")), "{:?}", error.hints());
}

#[tokio::test]
async fn a_wrong_secret_is_an_unknown_client() {
    let world = World::shared().await;
    let context = world.context(&[], &[("OCI_TOKEN_EXCHANGE_CLIENT_SECRET", "MARK-wrong")]);
    let jwt = world.jwt(&github());
    let error = exchange::<UpstConfig>(client(&json!({})), &context, &jwt).await.unwrap_err();
    assert_eq!((error.provider_code(), error.failed_clause()), (Some("invalid_client"), Some("client")));
    assert!(!format!("{error:?}").contains("MARK"));
}

#[tokio::test]
async fn another_resource_label_is_refused() {
    let world = World::shared().await;
    let config = client(&json!({"res_type": "other"}));
    let jwt = world.jwt(&gitlab());
    let error = exchange::<RpstConfig>(config, &world.elsewhere(), &jwt).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
}

#[tokio::test]
async fn a_request_of_ten_minutes_ago_is_not_authenticated() {
    let world = World::start().await;
    let context = world.on_the_instance();
    let session = find::<InstanceConfig>(json!({}), &context).await.unwrap();
    // The services' clock goes on without this machine's.
    world.sandbox.clock().advance(SignedDuration::from_mins(10));
    let error = buckets(&context, &session).await.unwrap_err();
    assert_eq!(error.provider_code(), Some("NotAuthenticated"), "{error:?}");
}

#[tokio::test]
async fn a_session_with_anothers_key_is_not_authenticated() {
    let world = World::shared().await;
    let context = world.on_the_instance();
    let session = find::<InstanceConfig>(json!({}), &context).await.unwrap();
    let key = find::<ProfileConfig>(json!({"file": world.file("oci/config")}), &context).await.unwrap();
    let (Material::OciSession(mut session), Material::OciApiKey(key)) = (session.material, key.material) else {
        panic!("another kind")
    };
    session.private_key = key.private_key;
    let mixed = Credential::new(Material::OciSession(session));
    let error = buckets(&context, &mixed).await.unwrap_err();
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Refused, Some("NotAuthenticated")));
    exchange::<DomainConfig>(json!({}), &context, &mixed).await.unwrap_err();
}

#[tokio::test]
async fn what_no_policy_allows_is_a_matter_of_policy() {
    let world = World::shared().await;
    let context = world.on_the_instance();
    let session = find::<InstanceConfig>(json!({}), &context).await.unwrap();
    let path = format!("/20160918/users/{}", seed::ADMIN_USER);
    let error = get(&context, &session, "identity", &path).await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("policy")), "{error:?}");
}

#[tokio::test]
async fn what_is_no_token_is_told_before_anything_is_sent() {
    let world = World::shared().await;
    let jwt = Credential::new(Material::Jwt(Secret::new("no token")));
    let error = exchange::<UpstConfig>(client(&json!({})), &world.elsewhere(), &jwt).await.unwrap_err();
    assert_eq!(error.failed_clause(), Some("form"));
}
