//! Logins at roles that are programs.

use carnet_core::{Error, ErrorKind};
use carnet_vault::{Vault, VaultSecrets};
use carnet_vault_sandbox::seed;
use serde_json::{Value, json};

use crate::{cloud::Cloud, job, secret};

fn section() -> Value {
    json!({ "method": "cel", "role": "app", "audience": seed::AUDIENCE })
}

async fn with_program(expression: &str) -> Cloud {
    let cloud = Cloud::new();
    let role = json!({ "cel_program": { "expression": expression }, "bound_audiences": seed::AUDIENCE });
    cloud.root("POST", "auth/jwt/cel/role/app", role).await;
    cloud
}

async fn refused(expression: &str) -> Error {
    let cloud = with_program(expression).await;
    cloud.refused(&cloud.subject(&job()), section()).await
}

#[tokio::test]
async fn a_program_lets_a_job_read_its_secret() {
    let program = "has(claims.repository) && claims.repository == 'carnet-sandbox/app' \
                   ? pb.Auth{policies: ['app'], alias: logical.Alias{name: claims.sub}} : false";
    let cloud = with_program(program).await;
    let token = cloud.exchange::<Vault>(section(), &cloud.subject(&job())).await.unwrap();
    cloud.deliver::<VaultSecrets>(secret(seed::SECRETS[0]), &token).await.unwrap();
    let other = job().claim("repository", "attacker/app");
    let error = cloud.refused(&cloud.subject(&other), section()).await;
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("condition")), "{error:?}");
    assert!(error.hints()[0].contains("auth/jwt/cel/role/app"), "{:?}", error.hints());
}

#[tokio::test]
async fn rejects_what_a_program_refuses_with_a_text() {
    let error = refused("'not on Sundays'").await;
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("condition")), "{error:?}");
    assert!(format!("{error:?}").contains("not on Sundays"));
}

#[tokio::test]
async fn rejects_programs_that_give_no_token_or_none_that_can_be_made() {
    for (program, clause) in [
        ("true", "program"),
        ("pb.Auth{policies: [1]}", "program"),
        ("has(claims.repository) && claims.none", "program"),
    ] {
        let error = refused(program).await;
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some(clause)), "{program}: {error:?}");
    }
    let error = refused("pb.Auth{policies: ['root']}").await;
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("policy")), "{error:?}");
}
