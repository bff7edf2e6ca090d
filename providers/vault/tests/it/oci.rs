//! Logins with an identity of OCI: the server asks the emulated OCI who has signed.

use std::sync::Arc;

use carnet_core::{
    Context, Credential, Error, ErrorKind, Found, MapEnvironment, Material, Request, SourceConfig as _, Want,
};
use carnet_jose::{Algorithm, SigningKey};
use carnet_oci::source::{instance::InstanceConfig, resource::ResourceConfig};
use carnet_oci_sandbox::seed as oci;
use carnet_vault::{Vault, VaultSecrets};
use carnet_vault_sandbox::seed;
use serde_json::{Value, json};

use crate::{cloud::Cloud, secret};

/// A server whose role `app` takes instances of the group, but for these fields of configuration and role.
async fn mounted(config: Value, role: Value) -> Cloud {
    let cloud = Cloud::with_oci();
    cloud.root("POST", "sys/auth/oci", json!({ "type": "oci" })).await;
    let with = |mut fields: Value, change: Value| {
        fields.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        fields
    };
    let config = with(json!({ "home_tenancy_id": oci::TENANCY }), config);
    cloud.root("POST", "auth/oci/config", config).await;
    let role = with(json!({ "ocid_list": oci::INSTANCE_GROUP, "token_policies": seed::ROLE, "token_ttl": "1h" }), role);
    cloud.root("POST", "auth/oci/role/app", role).await;
    cloud
}

async fn instance(cloud: &Cloud) -> Credential {
    let source = InstanceConfig::default().build().unwrap();
    match source.find(cloud.context(), &Want::default()).await.unwrap() {
        Found::Credential(credential) => *credential,
        Found::NotHere(why) => panic!("{why}"),
    }
}

fn section(role: &str) -> Value {
    json!({ "method": "oci", "role": role })
}

#[track_caller]
fn told(error: &Error, kind: ErrorKind, clause: &str) {
    assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)), "{error:?}");
}

#[tokio::test]
async fn an_instance_of_oci_reads_a_secret() {
    let cloud = mounted(json!({}), json!({})).await;
    let token = cloud.exchange::<Vault>(section("app"), &instance(&cloud).await).await.unwrap();
    assert_eq!(token.facts["renewable"], "no");
    cloud.deliver::<VaultSecrets>(secret(seed::SECRETS[0]), &token).await.unwrap();
}

#[tokio::test]
async fn rejects_instance_of_another_group() {
    let cloud = mounted(json!({}), json!({ "ocid_list": [oci::ADMIN_GROUP] })).await;
    told(&cloud.refused(&instance(&cloud).await, section("app")).await, ErrorKind::Policy, "group");
}

#[tokio::test]
async fn rejects_instance_of_another_tenancy() {
    let cloud = mounted(json!({ "home_tenancy_id": "ocid1.tenancy.oc1..other" }), json!({})).await;
    told(&cloud.refused(&instance(&cloud).await, section("app")).await, ErrorKind::Policy, "tenancy");
}

#[tokio::test]
async fn rejects_principal_that_is_neither_user_nor_instance() {
    let cloud = mounted(json!({}), json!({})).await;
    let auth = format!("https://auth.{}.oraclecloud.com", oci::REGION);
    let variables = [
        ("OCI_RESOURCE_PRINCIPAL_VERSION", "1.1"),
        ("OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT", auth.as_str()),
        ("OCI_RESOURCE_PRINCIPAL_RPT_ID", oci::FUNCTION),
    ];
    let context = Context { environment: Arc::new(MapEnvironment::of(&variables)), ..cloud.context().clone() };
    let source = ResourceConfig::default().build().unwrap();
    let Found::Credential(function) = source.find(&context, &Want::default()).await.unwrap() else { panic!("none") };
    let error = cloud.refused(&function, section("app")).await;
    assert!(format!("{error:?}").contains("Wrong principal type"), "{error:?}");
}

#[tokio::test]
async fn rejects_signature_for_the_login_path_of_another_role() {
    let cloud = mounted(json!({}), json!({})).await;
    let target = json!({ "request_headers": { "(request-target)": ["get /v1/auth/oci/login/other"] } });
    let login = Request::post_json("https://vault.test/v1/auth/oci/login/app".parse().unwrap(), &target);
    let response = cloud.context().http.send(login).await.unwrap();
    let body: Value = serde_json::from_slice(response.body.expose()).unwrap();
    let text = json!(["incorrect (request-target) specified in header"]);
    assert_eq!((response.status.as_u16(), &body["errors"]), (400, &text), "{body}");
}

#[tokio::test]
async fn rejects_role_that_is_not_there() {
    let cloud = mounted(json!({}), json!({})).await;
    told(&cloud.refused(&instance(&cloud).await, section("gone")).await, ErrorKind::Refused, "role");
}

#[tokio::test]
async fn rejects_signature_of_another_key() {
    let cloud = mounted(json!({}), json!({})).await;
    let mut subject = instance(&cloud).await;
    if let Material::OciSession(session) = &mut subject.material {
        session.private_key = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8().unwrap();
    }
    told(&cloud.refused(&subject, section("app")).await, ErrorKind::Refused, "principal");
}
