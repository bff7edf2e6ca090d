//! Logins with AWS keys: the server asks the emulated AWS who has signed.

use carnet_aws_sandbox::seed as aws;
use carnet_core::{AwsKeys, Credential, Error, ErrorKind, Material, Secret};
use carnet_vault::{Vault, VaultSecrets};
use carnet_vault_sandbox::seed;
use serde_json::{Value, json};

use crate::{cloud::Cloud, secret};

const SERVER: &str = "vault.example";

fn keys(id: &str, secret: &str) -> Credential {
    let keys = AwsKeys { access_key_id: id.to_owned(), secret_access_key: Secret::new(secret), session_token: None };
    Credential::new(Material::AwsKeys(keys))
}

fn builder() -> Credential {
    keys(aws::ACCESS_KEY_ID, aws::SECRET_ACCESS_KEY)
}

fn section(change: &Value) -> Value {
    let mut section = json!({ "method": "aws", "role": "app", "server_id": SERVER });
    section.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    section
}

async fn mounted() -> Cloud {
    let cloud = Cloud::new();
    cloud.root("POST", "sys/auth/aws", json!({ "type": "aws" })).await;
    cloud.root("POST", "auth/aws/config/client", json!({ "iam_server_id_header_value": SERVER })).await;
    for (role, user) in [("app", aws::USER), ("other", "somebody")] {
        let arn = format!("arn:aws:iam::{}:user/{user}", aws::ACCOUNT);
        let role_body = json!({ "auth_type": "iam", "bound_iam_principal_arn": arn, "resolve_aws_unique_ids": false,
            "token_policies": seed::ROLE, "token_ttl": "1h" });
        cloud.root("POST", &format!("auth/aws/role/{role}"), role_body).await;
    }
    cloud
}

#[track_caller]
fn told(error: &Error, kind: ErrorKind, clause: &str) {
    assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)), "{error:?}");
}

#[tokio::test]
async fn a_user_of_aws_reads_a_secret() {
    let cloud = mounted().await;
    let token = cloud.exchange::<Vault>(section(&json!({})), &builder()).await.unwrap();
    assert_eq!(token.facts["renewable"], "yes");
    cloud.deliver::<VaultSecrets>(secret(seed::SECRETS[0]), &token).await.unwrap();
}

#[tokio::test]
async fn a_region_is_asked_where_the_server_asks_it() {
    let cloud = mounted().await;
    let section = section(&json!({ "aws_region": aws::REGION }));
    told(&cloud.refused(&builder(), section.clone()).await, ErrorKind::Refused, "caller-identity");
    let endpoint = format!("https://sts.{}.amazonaws.com", aws::REGION);
    cloud.root("POST", "auth/aws/config/client", json!({ "sts_endpoint": endpoint })).await;
    cloud.exchange::<Vault>(section, &builder()).await.unwrap();
}

#[tokio::test]
async fn rejects_keys_that_aws_does_not_know() {
    for keys in [keys("AKIASTRANGER00000000", "another secret"), keys(aws::ACCESS_KEY_ID, "another secret")] {
        let cloud = mounted().await;
        told(&cloud.refused(&keys, section(&json!({}))).await, ErrorKind::Refused, "caller-identity");
    }
}

#[tokio::test]
async fn rejects_proof_for_another_server_or_for_none() {
    let cloud = mounted().await;
    let other = section(&json!({ "server_id": "other.example" }));
    told(&cloud.refused(&builder(), other).await, ErrorKind::Refused, "server-id");
    let none = json!({ "method": "aws", "role": "app" });
    told(&cloud.refused(&builder(), none).await, ErrorKind::Refused, "server-id");
}

#[tokio::test]
async fn rejects_principal_of_another_role() {
    let cloud = mounted().await;
    let error = cloud.refused(&builder(), section(&json!({ "role": "other" }))).await;
    told(&error, ErrorKind::Policy, "bound-principal");
}

#[tokio::test]
async fn rejects_role_that_is_not_there() {
    let cloud = mounted().await;
    told(&cloud.refused(&builder(), section(&json!({ "role": "gone" }))).await, ErrorKind::Refused, "role");
}
